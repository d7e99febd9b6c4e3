/** Which ends of the connections and queries are traced. */
export const allEnds = ['both', 'client', 'server'] as const;
export type Ends = (typeof allEnds)[number];

export const endsNames: Readonly<Record<Ends, string>> = {
  both: 'both ends',
  client: 'client end only',
  server: 'server end only',
};

/** Labs of each kind of ends, with networks that one prefix of each family covers. */
export const labsPerEnds = 32;
const blocks = 4;
/** Other runs on this machine have other ones. 512 labs are all that there are. */
const firstLab = (process.pid % (512 / (blocks * labsPerEnds))) * blocks * labsPerEnds;

/** The labs that are no part of the matrix. */
export const firstFurtherLab = firstLab + allEnds.length * labsPerEnds;

export function firstLabOf(ends: Ends): number {
  return firstLab + allEnds.indexOf(ends) * labsPerEnds;
}

/** The networks of `labsPerEnds` labs from a number on; see Lab.network(). */
export function prefixesFrom(number: number): readonly string[] {
  return [
    `198.${18 + (number >> 8)}.${number & 255}.0/${24 - Math.log2(labsPerEnds)}`,
    `2001:2:0:${number.toString(16)}::/${64 - Math.log2(labsPerEnds)}`,
  ];
}

/** Process names, by which the sessions tell the listeners of traced hosts from the others: at most 15 bytes. */
export const processNames: Readonly<Record<Ends, { readonly client: string; readonly server: string }>> = {
  both: { client: 'both-client', server: 'both-server' },
  client: { client: 'one-client', server: 'unseen-server' },
  server: { client: 'unseen-client', server: 'one-server' },
};

/**
 * Where resolvers are that nobody traces. Queries that a full receive queue drops are told of by port, whoever sent them: on the port of the others
 * the sessions of those would tell of them.
 */
const clientOnlyDnsPort = 5_053;

export const dnsPortOf = (ends: Ends) => (ends === 'client' ? clientOnlyDnsPort : 53);

const session = { durationSeconds: 900, maxRecordsPerAgent: 1_000_000 };

/**
 * The sessions that trace these ends and nothing else, although all of them are on this host: a session that sees one end has the filter by which
 * an agent at the other end would see nothing.
 */
export const sessions: readonly object[] = [
  {
    ...session,
    name: 'both ends',
    probes: ['tcp_handshake', 'dns'],
    filter: { remoteCidrs: prefixesFrom(firstLabOf('both')), dnsServers: prefixesFrom(firstLabOf('both')) },
  },
  {
    ...session,
    name: 'client end only',
    probes: ['tcp_handshake', 'dns'],
    filter: {
      roles: ['client'],
      remoteCidrs: prefixesFrom(firstLabOf('client')),
      dnsSides: ['client'],
      dnsServers: prefixesFrom(firstLabOf('client')),
      dnsPorts: [clientOnlyDnsPort],
    },
  },
  {
    ...session,
    name: 'server end only',
    probes: ['tcp_handshake', 'dns'],
    filter: {
      roles: ['server'],
      remoteCidrs: prefixesFrom(firstLabOf('server')),
      dnsSides: ['resolver'],
      dnsServers: prefixesFrom(firstLabOf('server')),
    },
  },
  {
    ...session,
    name: 'server end only: what its resolver asks others',
    probes: ['dns'],
    filter: {
      dnsSides: ['client'],
      processNames: ['dnsmasq'],
      dnsServers: prefixesFrom(firstLabOf('server')),
    },
  },
  {
    ...session,
    name: 'listening sockets of the servers that are traced',
    probes: ['listener'],
    filter: { processNames: [processNames.both.server, processNames.server.server] },
  },
];
