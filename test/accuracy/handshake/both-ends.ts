import type { Handshake, HandshakeDetail } from '../../stack/answers.js';
import type { Api } from '../../stack/api.js';
import { until } from '../../stack/until.js';
import { Comparer, type Pair, type Range } from '../comparer.js';
import type { AccuracyCase } from './cases.js';
import type { Experiment } from './experiment.js';
import type { PartTruth } from './part-truth.js';

export const partNames = [
  'networkRoundTrip',
  'lostSynWait',
  'lostSynAckWait',
  'serverQueue',
  'acceptWait',
] as const;
export const stageNames = ['synSentToSynRecv', 'synRecvToEstablished'] as const;
export type TimeName = (typeof partNames)[number] | (typeof stageNames)[number];

export interface BothEndsComparison {
  readonly times: Readonly<Record<TimeName, readonly Pair[]>>;
  readonly problems: readonly string[];
}

/** Many times what it takes. */
const joinTimeoutMs = 20_000;

/** Whether both ends of a case are established, and so joined. */
export function areJoined({ client, server }: AccuracyCase): boolean {
  return client === 'established' && server === 'established';
}

/** What GET /handshakes/{id} answers for these, a few at a time; once both ends are joined, if they will be. */
export async function detailsOf(
  api: Api,
  records: readonly Pick<Handshake, 'id'>[],
  { joined }: { readonly joined: boolean },
): Promise<readonly HandshakeDetail[]> {
  const detailOf = async ({ id }: Pick<Handshake, 'id'>) => {
    const read = () => api.get<HandshakeDetail>(`/api/v1/handshakes/${id}`);
    if (!joined) return read();
    // Both ends are joined some two seconds after the later one came, if they lie further apart than a search by id looks.
    let detail = await read();
    await until(
      `the other end of ${id}`,
      async () => {
        if (detail.peer === null) detail = await read();
        return detail.peer ?? undefined;
      },
      joinTimeoutMs,
    ).catch(() => undefined);
    return detail;
  };
  const details: HandshakeDetail[] = [];
  for (let index = 0; index < records.length; index += 8)
    details.push(...(await Promise.all(records.slice(index, index + 8).map(detailOf))));
  return details;
}

/** TCP timestamps count whole milliseconds, so that their difference is less than one off. */
const timestampErrorUs = 1_000;

function accordingTo(derivedFrom: string, { leastUs, mostUs }: Range): Range {
  const errorUs = derivedFrom.includes('whole milliseconds') ? timestampErrorUs : 0;
  return { leastUs: leastUs - errorUs, mostUs: mostUs + errorUs };
}

/** Holds what both ends tell together against the truth, seen from either end. */
export function compareBothEnds(
  testCase: AccuracyCase,
  { truths }: Pick<Experiment, 'truths'>,
  details: readonly HandshakeDetail[],
): BothEndsComparison {
  const comparer = new Comparer();
  const times = Object.fromEntries(
    [...partNames, ...stageNames].map((name): [TimeName, Pair[]] => [name, []]),
  ) as unknown as Record<TimeName, Pair[]>;
  const joined = areJoined(testCase);
  for (const truth of truths) {
    const subject = `connection from ${truth.clientPort}`;
    const client = details.find(({ role, local }) => role === 'client' && local.port === truth.clientPort);
    const server = details.find(({ role, remote }) => role === 'server' && remote.port === truth.clientPort);
    if (!joined) {
      for (const end of [client, server]) if (end) comparer.equal(`${subject}: peer`, end.peer, null);
      continue;
    }
    if (!client || !server || !truth.parts) {
      comparer.problems.push(`${subject}: an end is missing`);
      continue;
    }
    for (const [end, other] of [
      [client, server],
      [server, client],
    ] as const) {
      comparer.equal(
        `${subject}: peer of the ${end.role}`,
        JSON.stringify(end.peer && [end.peer.handshakeId, end.peer.match]),
        JSON.stringify([other.id, 'exact']),
      );
      compareTimes(comparer, times, `${subject}, seen by the ${end.role}`, end, truth.parts);
    }
  }
  return { times, problems: comparer.problems };
}

function compareTimes(
  comparer: Comparer,
  times: Record<TimeName, Pair[]>,
  subject: string,
  { breakdown, stages }: HandshakeDetail,
  truth: PartTruth,
): void {
  for (const name of partNames) {
    const part = breakdown?.[name];
    comparer.time(
      `${subject}: ${name} (${part?.derivedFrom})`,
      times[name],
      part?.us ?? null,
      accordingTo(part?.derivedFrom ?? '', truth[name]),
    );
  }
  for (const name of stageNames) {
    comparer.time(`${subject}: ${name}`, times[name], stages?.[name]?.us ?? null, truth[name]);
    comparer.equal(`${subject}: uncertainty of ${name}`, stages?.[name]?.uncertaintyUs, 0);
  }
}
