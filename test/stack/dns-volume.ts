import { DnsReflector } from '../lab/dns-reflector.ts';
import { type DnsperfOptions, type DnsperfResult, runDnsperf, volumeSuffix } from '../lab/dnsperf.ts';
import { Lab } from '../lab/lab.ts';
import type { DnsQuery, Summary, TraceSession } from './answers.ts';
import type { Api } from './api.ts';
import { stopSession } from './sessions.ts';
import { until } from './until.ts';

/** What became of the queries of one run of dnsperf on loopback. */
export interface DnsVolume {
  readonly dnsperf: DnsperfResult;
  /** Queries that the server counted. */
  readonly taken: number;
  readonly stored: Readonly<Record<DnsQuery['side'], number>>;
  /** The most records of one query on one side: no name is asked twice. */
  readonly mostOfOneQuery: number;
  readonly lost: number;
  readonly lostByCause: Readonly<Record<string, number>>;
  /** Records that there should be, are not stored and were not counted as lost. */
  readonly unaccounted: number;
}

async function countBySide(
  api: Api,
  session: TraceSession,
): Promise<Readonly<Record<DnsQuery['side'], number>>> {
  const { items } = await api.get<Summary>(
    `/api/v1/dns-queries/summary?since=1h&sessionId=${session.id}&groupBy=side`,
  );
  const count = (side: DnsQuery['side']) => items.find(({ group }) => group['side'] === side)?.count ?? 0;
  return { client: count('client'), resolver: count('resolver') };
}

function sumByCause(loss: TraceSession['loss']): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const { cause, records } of loss.intervals) sums[cause] = (sums[cause] ?? 0) + records;
  return sums;
}

/** Sends queries with dnsperf, with a session that keeps both sides of all of them, and counts what is stored and what was lost. */
export async function measureDnsVolume(
  api: Api,
  options: Pick<DnsperfOptions, 'queriesPerSecond' | 'seconds'> & {
    /** The server answers none of them. */
    readonly silent?: boolean;
  },
): Promise<DnsVolume> {
  await using lab = await Lab.create();
  const { path } = lab.relay.namespace('a');
  const { silent = false, ...load } = options;
  const name = 'dns-reflector';
  await using reflector = await DnsReflector.start(path, { address: '127.0.0.1', name, silent });
  const session = await api.post<TraceSession>('/api/v1/trace-sessions?wait=30s', {
    name: `dnsperf, ${options.queriesPerSecond} queries/s`,
    probes: ['dns'],
    filter: { queryNameSuffixes: [volumeSuffix] },
    maxRecordsPerAgent: 1_000_000_000,
  });
  if (session.targets.running !== 1) throw new Error(`the session does not run: ${JSON.stringify(session)}`);
  const dnsperf = await runDnsperf(path, {
    ...load,
    server: reflector.address,
    // Without answers it would wait; with more that are outstanding, or for longer, it becomes slow by itself.
    ...(silent ? { outstanding: 1_000, timeoutSeconds: 0.05 } : {}),
  });
  const taken = await reflector.stop();
  const expected = dnsperf.sent + taken;
  const accounted = async () => {
    const { loss } = await api.get<TraceSession>(`/api/v1/trace-sessions/${session.id}`);
    const stored = await countBySide(api, session);
    return { loss, stored, missing: expected - stored.client - stored.resolver - loss.records };
  };
  // Those without an answer are given up after 30 s.
  const whole = await until(
    'records or loss of all queries',
    async () => ((await accounted()).missing <= 0 ? true : undefined),
    60_000,
  ).catch(() => false);
  if (!whole) console.warn('not all queries are accounted for while the session runs; it is stopped now');
  await stopSession(api, session);
  const { loss, stored, missing } = await accounted();
  const { items } = await api.get<Summary>(
    `/api/v1/dns-queries/summary?since=1h&sessionId=${session.id}&groupBy=queryName,side&order=-count&limit=1`,
  );
  return {
    dnsperf,
    taken,
    stored,
    mostOfOneQuery: items[0]?.count ?? 0,
    lost: loss.records,
    lostByCause: sumByCause(loss),
    unaccounted: missing,
  };
}
