import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { labUnavailable } from '../lab/lab.js';
import type { Finding, TraceSession } from '../stack/answers.js';
import { Stack } from '../stack/stack.js';
import { untilAllIsJudged } from './findings/all-judged.js';
import { mixedSessions, runFaultyLoad, runHealthyLoad } from './findings/mixed-load.js';
import { FindingsWatch } from './findings/watch.js';

/** How long each of the two loads lasts; `npm run bench:findings` makes it five minutes. */
const seconds = Number(process.env['SYNSCOPE_LOAD_SECONDS'] ?? 10);
const timeout = seconds * 1_000 + 300_000;

const handshakesOf = (findings: readonly Finding[]) =>
  findings.reduce((sum, { impact }) => sum + impact.handshakes, 0);

/** "accept_queue_full 12, unexplained 1". */
function countsByCode(findings: readonly Finding[]): string {
  return [...Map.groupBy(findings, ({ code }) => code)]
    .map(([code, ofCode]) => `${code} ${handshakesOf(ofCode)}`)
    .join(', ');
}

describe.skipIf(labUnavailable())('findings of many connections and queries at once', () => {
  const resources = new AsyncDisposableStack();
  let watch: FindingsWatch;

  beforeAll(async () => {
    const stack = resources.use(await Stack.start());
    const api = await stack.api();
    for (const body of mixedSessions) {
      const session = await api.post<TraceSession>('/api/v1/trace-sessions?wait=30s', body);
      expect(session.targets).toMatchObject({ matched: 1, running: 1 });
    }
    watch = resources.use(new FindingsWatch(api));
  }, 180_000);

  afterAll(async () => {
    await resources.disposeAsync();
  }, 180_000);

  const findingsOf = (networks: readonly string[]) => networks.flatMap((network) => watch.of(network));

  test('a mixed load where all is well gives no finding', { timeout }, async () => {
    const load = await runHealthyLoad(seconds);
    expect(load.slowOrFailed).toEqual([]);
    expect(load.answers).toBe(load.queries);
    await untilAllIsJudged(watch);
    const found = findingsOf(load.networks);
    console.log(
      `healthy load of ${seconds} s: ${load.connects.length} connections, ${load.queries} queries, ${found.length} findings`,
    );
    expect(found.map(({ code, title, evidence }) => ({ code, title, evidence }))).toEqual([]);
  });

  test('of a mixed faulty load at least 95 % of the slow and failed handshakes are explained', {
    timeout,
  }, async () => {
    const load = await runFaultyLoad(seconds);
    expect(load.slowOrFailed.length).toBeGreaterThan(50);
    await untilAllIsJudged(watch);
    const found = findingsOf(load.networks);
    const judged = handshakesOf(found);
    const explained = handshakesOf(found.filter(({ code }) => code !== 'unexplained'));
    console.log(
      `faulty load of ${seconds} s: of ${load.connects.length} connections ${load.slowOrFailed.length} were slow or failed by their clients' clocks; of ${judged} records of such ones ${((100 * explained) / judged).toFixed(2)} % are explained: ${countsByCode(found)}`,
    );
    // Each of them was judged, beside those that were only slow on the server.
    expect(judged).toBeGreaterThanOrEqual(load.slowOrFailed.length);
    expect(explained / judged).toBeGreaterThanOrEqual(0.95);
  });
});
