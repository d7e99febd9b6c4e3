import { expect } from 'vitest';
import type { DnsRecord, Side } from './dns-records.js';
import type { Ending, ExpectedQuery, Step } from './dns-scenarios.js';
import type { CommandAnswer, Parties } from './dns-traffic.js';

/** What the two processes saw of a scenario. */
export interface DnsTruth {
  readonly parties: Parties;
  readonly steps: readonly CommandAnswer[];
}

/** After the deadline the sweep comes once a second; a busy machine lets it wait. */
const SWEEP_US = 3_000_000;

/** Between the call that sent an answer to a closed socket and its end in the kernel, on a busy machine. */
const SOFTIRQ_US = 200_000;

/** Holds the records of a scenario, of all of its queries on both sides, to what was asked and when. */
export class DnsExpectations {
  constructor(
    private readonly truth: DnsTruth,
    private readonly deadlineUs: number,
  ) {}

  /** Exactly one record per query and side, and each as it should be. */
  check(expected: readonly ExpectedQuery[], records: readonly DnsRecord[]): void {
    for (const side of ['client', 'resolver'] as const) {
      const ofSide = records.filter((record) => record.side === side).sort(byQueryTime);
      const wanted = expected.filter((query) => query[side]).sort((a, b) => a.sent - b.sent);
      const matched = wanted.map((query) => this.take(query, ofSide));
      expect(ofSide, 'records without a query').toEqual([]);
      wanted.forEach((query, i) => {
        this.checkRecord(query, query[side] as Ending, matched[i] as DnsRecord);
      });
      if (side === 'client') checkLookups(wanted, matched);
      else
        expect(matched.map(({ lookupId, attempt }) => [lookupId, attempt])).toEqual(
          matched.map(() => [0n, 0]),
        );
    }
  }

  /** Takes the record of the query out: of equal ones the oldest. */
  private take({ question, id, transport }: ExpectedQuery, records: DnsRecord[]): DnsRecord {
    const at = records.findIndex(
      (record) =>
        record.name === question.name &&
        record.type === question.type &&
        record.id === id &&
        record.transport === transport,
    );
    const [record] = at < 0 ? [] : records.splice(at, 1);
    if (!record) throw new Error(`no record of ${question.name}, type ${question.type}, id ${id}`);
    return record;
  }

  private checkRecord(query: ExpectedQuery, ending: Ending, record: DnsRecord): void {
    expect(record).toMatchObject({
      ...ending,
      answerCount: ending.outcome === 'unanswered' ? -1 : query.addresses,
      class: 1,
      server: query.server,
      serverPort: query.serverPort,
    });
    expect([record.netns, record.pid, record.processName], `${record.side}’s process`).toBeOneOf(
      this.processes(record),
    );
    const [least, most] = this.elapsed(query, ending, record.side);
    expect(record.elapsedUs, `${record.side}’s time`).toBeGreaterThanOrEqual(least);
    expect(record.elapsedUs, `${record.side}’s time`).toBeLessThanOrEqual(most);
  }

  /** A resolver is known by the datagrams that it has sent. */
  private processes({ side, transport, outcome }: DnsRecord): (readonly [number, number, string])[] {
    const { netns, client, resolver } = this.truth.parties;
    const unknown = [0, 0, ''] as const;
    const process = [netns, resolver, 'dns-resolver'] as const;
    if (side === 'client') return [[netns, client, 'dns-traffic']];
    if (transport === 'tcp') return [unknown];
    return outcome === 'unanswered' ? [unknown, process] : [process];
  }

  /** Bounds by the times around the system calls, rounded as the record is. */
  private elapsed(query: ExpectedQuery, ending: Ending, side: Side): readonly [number, number] {
    if (ending.outcome === 'unanswered') return [this.deadlineUs, this.deadlineUs + SWEEP_US];
    const step = (at: Step | undefined) => this.truth.steps[at ?? 0] as CommandAnswer;
    const [sent, replied] = [step(query.sent), step(query.replied)];
    const asked = side === 'client' ? sent : step(query.taken);
    const leastUs = (replied.beganNs - asked.doneNs) / 1000 - 1;
    if (side === 'resolver') return [leastUs, (replied.doneNs - sent.beganNs) / 1000 + 1];
    return query.received === undefined
      ? [leastUs, (replied.doneNs - sent.beganNs) / 1000 + SOFTIRQ_US]
      : [leastUs, (step(query.received).doneNs - sent.beganNs) / 1000 + 1];
  }
}

const byQueryTime = (a: DnsRecord, b: DnsRecord) =>
  a.observedAtUs - a.elapsedUs - (b.observedAtUs - b.elapsedUs);

/** Queries of one lookup have one id, which no other lookup has. */
function checkLookups(queries: readonly ExpectedQuery[], records: readonly DnsRecord[]): void {
  const ids = new Map<string, bigint>();
  for (const [i, { lookup, attempt }] of queries.entries()) {
    const record = records[i] as DnsRecord;
    expect(record.attempt).toBe(attempt);
    const id = ids.get(lookup);
    if (id === undefined) expect([0n, ...ids.values()]).not.toContain(record.lookupId);
    else expect(record.lookupId).toBe(id);
    ids.set(lookup, record.lookupId);
  }
}
