import { z } from 'zod';
import { addressOrPrefixSchema, endpointSchema } from './shared/address.js';
import { listSchema, pageQuery } from './shared/list.js';
import { queryBoolean, queryList, queryPort } from './shared/query-values.js';
import { countSchema, microsecondsSchema, recordFields, recordFilterFields } from './shared/record.js';
import { timestampSchema } from './shared/time.js';

const counted = (description: string) => countSchema.meta({ description });
const known = (description: string) => countSchema.nullable().meta({ description });

export const acceptQueueSchema = z
  .strictObject({
    length: counted('Connections that waited for accept() at the end.'),
    limit: counted(
      'The smaller of listen()’s backlog and net.core.somaxconn. The queue is full once `length` is above it: it takes one more.',
    ),
    peak: counted('The longest that was seen: at a SYN, at a third packet, at the end.'),
  })
  .meta({ id: 'AcceptQueue', description: 'Connections that are established and wait for accept().' });

export const synQueueSchema = z
  .strictObject({
    length: counted('Requests that waited at the end.'),
    peak: counted('The most that were seen: at a SYN, at a third packet, at the end.'),
  })
  .meta({
    id: 'SynQueue',
    description: 'Requests in SYN_RECV: the SYN was accepted, the third packet lacks.',
  });

export const refusedSynsSchema = z
  .strictObject({
    acceptQueueFull: counted('The accept queue was full when the SYN came.'),
    synQueueFull: counted('The SYN queue was full, and SYN cookies are off.'),
    unexplained: counted('The kernel refused it, and neither queue was seen to be full.'),
  })
  .meta({ id: 'RefusedSyns', description: 'SYNs that got no answer, by cause. Clients send them again.' });

export const droppedAcksSchema = z
  .strictObject({
    acceptQueueFull: counted(
      'The accept queue was full when the third packet came. The client believes to be connected; the server sends its SYN-ACK again.',
    ),
    cookiePath: counted(
      'The same after a SYN cookie: nothing of the connection is left on the server, and it never learns of it.',
    ),
  })
  .meta({ id: 'DroppedAcks', description: 'Third packets of handshakes that were dropped, by way.' });

export const listenerSettingsSchema = z
  .strictObject({
    somaxconn: known('net.core.somaxconn: the most that listen() gets.'),
    tcpMaxSynBacklog: known('net.ipv4.tcp_max_syn_backlog.'),
    tcpSyncookies: known('net.ipv4.tcp_syncookies: 0 off, 1 when the SYN queue is full, 2 always.'),
    tcpAbortOnOverflow: known('net.ipv4.tcp_abort_on_overflow: 1 answers by RST what a full queue drops.'),
  })
  .meta({
    id: 'ListenerSettings',
    description: 'sysctl settings of the socket’s network namespace at the end; null is not known.',
  });

export const netnsCountersSchema = z
  .strictObject({
    listenOverflows: known('ListenOverflows: an accept queue was full.'),
    listenDrops: known('ListenDrops: SYNs and third packets that listening sockets dropped, for any cause.'),
    tcpReqQFullDrop: known('TCPReqQFullDrop: a SYN queue was full, and the SYN was dropped.'),
    tcpReqQFullDoCookies: known('TCPReqQFullDoCookies: a SYN queue was full, and a cookie was sent.'),
    syncookiesSent: known('SyncookiesSent.'),
    syncookiesRecv: known('SyncookiesRecv: third packets with a valid cookie.'),
    syncookiesFailed: known('SyncookiesFailed: third packets without a valid cookie.'),
  })
  .meta({
    id: 'NetnsCounters',
    description:
      'By how much TcpExt counters of the socket’s network namespace rose (`nstat -z`), of all its sockets together; null is not known.',
  });

/** What was counted of one listening socket within some time. */
export const listenerCountFields = {
  syns: counted('SYNs that reached the socket, without those of a request that it already had.'),
  synsRefused: refusedSynsSchema,
  synsAnsweredByCookie: counted('SYNs that were answered by a SYN cookie, as the SYN queue was full.'),
  acksDropped: droppedAcksSchema,
  drops: known(
    'By how much the kernel’s own count of the socket rose (sk_drops, `d` of `ss -ltnm`): a check of the counts above; null is not known.',
  ),
};

const SOCKET_COOKIE = /^[0-9a-f]{1,14}$/;

/** What says which socket it is, and whose. */
export const listenerIdentityFields = {
  local: endpointSchema.meta({
    description: 'What the socket is bound to; the address of a wildcard socket is `::` or `0.0.0.0`.',
  }),
  socketCookie: z.string().meta({
    description:
      'The kernel’s name of the socket on its host since the host was booted, in hexadecimal digits as `ss -lte` shows it (`sk:`). Tells the sockets of an SO_REUSEPORT group apart.',
    example: '5a',
  }),
};

export const listenerSampleSchema = z
  .strictObject({
    id: recordFields.id,
    observedAt: timestampSchema.meta({ description: 'When the interval ended, by the clock of the host.' }),
    intervalUs: microsecondsSchema.meta({
      description:
        'Length of the interval that it counts, microseconds: about a second, up to 30 s of a quiet socket.',
    }),
    agentId: recordFields.agentId,
    hostname: recordFields.hostname,
    sessionIds: recordFields.sessionIds,
    ...listenerIdentityFields,
    acceptQueue: acceptQueueSchema,
    synQueue: synQueueSchema,
    ...listenerCountFields,
    settings: listenerSettingsSchema,
    netnsCounters: netnsCountersSchema,
    process: recordFields.process,
    netns: recordFields.netns,
  })
  .meta({
    id: 'ListenerSample',
    description:
      'A listening TCP socket within an interval: its queues, and what it refused and dropped. Over all samples of a socket nothing is counted twice.',
  });
export type ListenerSample = z.output<typeof listenerSampleSchema>;

export const listenerFilterFields = {
  ...recordFilterFields,
  localAddress: addressOrPrefixSchema.optional().meta({
    description: 'Address or prefix that the socket is bound to.',
    example: '192.0.2.7',
  }),
  localPort: queryList(queryPort()).optional().meta({
    description: 'Ports that the socket is bound to, separated by commas.',
    example: '443',
  }),
  socketCookie: z
    .string()
    .regex(SOCKET_COOKIE, 'expected 1 to 14 lower-case hexadecimal digits')
    .refine((text) => Number.parseInt(text, 16) <= Number.MAX_SAFE_INTEGER, 'expected at most 1fffffffffffff')
    .optional()
    .meta({
      description:
        'The socket with this `socketCookie`. Other hosts have others of the same: give `agentId`.',
      example: '5a',
    }),
  refusing: queryBoolean().optional().meta({
    description:
      '`true`: only what refused a SYN or dropped a third packet. `false`: only what did not. A SYN that was answered by a cookie is not refused.',
  }),
};
const listenerFilterSchema = z.strictObject(listenerFilterFields);
export type ListenerFilter = z.output<typeof listenerFilterSchema>;

export const listenerSampleListQuerySchema = z.strictObject({ ...listenerFilterFields, ...pageQuery });
export type ListenerSampleListQuery = z.output<typeof listenerSampleListQuerySchema>;
export const listenerSampleListSchema = listSchema('ListenerSampleList', listenerSampleSchema);
