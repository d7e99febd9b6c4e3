/**
 * What the kernel counts of TCP for a whole network namespace and tells of listeners (TcpExt of /proc/PID/net/netstat), in the order of the fields
 * netns_…_plus_one of ListenerColumns in proto/synscope/agent/v1/records.proto.
 */
export const NETNS_COUNTERS = [
  'ListenOverflows',
  'ListenDrops',
  'TCPReqQFullDrop',
  'TCPReqQFullDoCookies',
  'SyncookiesSent',
  'SyncookiesRecv',
  'SyncookiesFailed',
] as const;

export type NetnsCounterName = (typeof NETNS_COUNTERS)[number];
export type NetnsCounters = Readonly<Record<NetnsCounterName, number>>;

export function netnsCounters(count: (name: NetnsCounterName, i: number) => number): NetnsCounters {
  const entries = NETNS_COUNTERS.map((name, i) => [name, count(name, i)] as const);
  return Object.fromEntries(entries) as NetnsCounters;
}

/** Of the text of /proc/PID/net/netstat: a line of names, then one of values. Undefined if it has not all of them. */
export function parseNetstat(text: string): NetnsCounters | undefined {
  const [names, values] = text
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '));
  if (names === undefined || values === undefined) return undefined;
  const counters = netnsCounters((name) => Number(values[names.indexOf(name)]));
  return Object.values(counters).every(Number.isSafeInteger) ? counters : undefined;
}
