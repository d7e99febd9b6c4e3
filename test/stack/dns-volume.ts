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
  /** As the server counts them. */
  readonly reflected: number;
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

function sumByCause(session: TraceSession): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const { cause, records } of session.loss.intervals) sums[cause] = (sums[cause] ?? 0) + records;
  return sums;
}

/** Sends queries with dnsperf, with a session that keeps both sides of all of them, and counts what is stored and what was lost. */
export async function measureDnsVolume(
  api: Api,
  options: Pick<DnsperfOptions, 'queriesPerSecond' | 'seconds'>,
): Promise<DnsVolume> {
  await using lab = await Lab.create();
  const { path } = lab.relay.namespace('a');
  await using reflector = await DnsReflector.start(path, { address: '127.0.0.1', name: 'dns-reflector' });
  const session = await api.post<TraceSession>('/api/v1/trace-sessions?wait=30s', {
    name: `dnsperf, ${options.queriesPerSecond} queries/s`,
    probes: ['dns'],
    filter: { queryNameSuffixes: [volumeSuffix] },
    maxRecordsPerAgent: 1_000_000_000,
  });
  if (session.targets.running !== 1) throw new Error(`the session does not run: ${JSON.stringify(session)}`);
  const dnsperf = await runDnsperf(path, { ...options, server: reflector.address });
  const reflected = await reflector.stop();
  const ended = await stopSession(api, session);
  const expected = dnsperf.sent + reflected;
  // What the agent had not sent yet when it stopped comes in its own time.
  const stored = await until(
    'records or loss of all queries',
    async () => {
      const counts = await countBySide(api, session);
      const { loss } = await api.get<TraceSession>(`/api/v1/trace-sessions/${session.id}`);
      return counts.client + counts.resolver + loss.records >= expected ? counts : undefined;
    },
    60_000,
  ).catch(async () => await countBySide(api, session));
  const { items } = await api.get<Summary>(
    `/api/v1/dns-queries/summary?since=1h&sessionId=${session.id}&groupBy=queryName,side&order=-count&limit=1`,
  );
  const { loss } = await api.get<TraceSession>(`/api/v1/trace-sessions/${session.id}`);
  return {
    dnsperf,
    reflected,
    stored,
    mostOfOneQuery: items[0]?.count ?? 0,
    lost: loss.records,
    lostByCause: sumByCause({ ...ended, loss }),
    unaccounted: expected - stored.client - stored.resolver - loss.records,
  };
}
