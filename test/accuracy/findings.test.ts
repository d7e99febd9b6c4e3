import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { labUnavailable } from '../lab/lab.js';
import type { TraceSession } from '../stack/answers.js';
import type { Api } from '../stack/api.js';
import { Stack } from '../stack/stack.js';
import { WebhookEndpoint } from '../stack/webhook-endpoint.js';
import { untilAllIsJudged, untilUnansweredAreStored } from './findings/all-judged.js';
import { sessions } from './findings/ends.js';
import { type Combination, combinations, type Experiment, runExperiments } from './findings/experiment.js';
import { codesOf, isComplete, problemsOf } from './findings/judge.js';
import { mixedSessions } from './findings/mixed-load.js';
import { distribution, formatMatrix, type MatrixRow, writeMatrix } from './findings/report.js';
import { FindingsWatch } from './findings/watch.js';

/** A query without an answer is one after 30 s, and only then is there anything to find. */
const findingTimeoutMs = 75_000;

describe.skipIf(labUnavailable())('findings of faults that are really there', () => {
  const resources = new AsyncDisposableStack();
  const networks = new Map<Combination, string>();
  const observations = new Map<Combination, readonly string[]>();
  const began = new Map<string, number>();
  let api: Api;
  let endpoint: WebhookEndpoint;
  let watch: FindingsWatch;
  let experiments: ReadonlyMap<Combination, Promise<Experiment>>;

  beforeAll(async () => {
    endpoint = resources.use(await WebhookEndpoint.start());
    const stack = resources.use(await Stack.start({ env: WebhookEndpoint.environment }));
    api = await stack.api();
    await api.post('/api/v1/webhooks', {
      name: 'matrix',
      url: endpoint.url,
      events: ['finding.opened', 'finding.resolved'],
    });
    for (const body of [...sessions, ...mixedSessions]) {
      const session = await api.post<TraceSession>('/api/v1/trace-sessions?wait=30s', body);
      expect(session.targets).toMatchObject({ matched: 1, running: 1 });
    }
    watch = resources.use(new FindingsWatch(api));
    experiments = runExperiments();
  }, 180_000);

  afterAll(async () => {
    // None may outlive the stack that sees it.
    for (const settled of await Promise.allSettled(experiments?.values() ?? []))
      if (settled.status === 'fulfilled') await settled.value.lab[Symbol.asyncDispose]();
    await resources.disposeAsync();
  }, 180_000);

  const foundOf = (combination: Combination) => {
    const network = networks.get(combination);
    return network === undefined ? [] : watch.of(network);
  };

  test.for(combinations)(
    '$testCase.name over $family, traced at $endsName: it is there by other witnesses, and found',
    { timeout: 300_000 },
    async (combination) => {
      const { testCase, ends } = combination;
      const experiment = await experiments.get(combination);
      if (!experiment) throw new Error('it did not run');
      const { witness, lab } = experiment;
      const network = lab.network(combination.family);
      networks.set(combination, network);
      observations.set(combination, witness.observations);
      if (witness.beganUs !== undefined) began.set(lab.address('b', combination.family), witness.beganUs);
      expect(witness.problems).toEqual([]);
      const expected = testCase.expected[ends];
      // All of them go on at the same time, so one that fails costs the others nothing.
      await watch.until(
        () => isComplete(expected, codesOf(watch.of(network))) || undefined,
        experiment.endedMs + findingTimeoutMs - Date.now(),
      );
      expect(problemsOf(expected, watch.of(network))).toEqual([]);
      await untilUnansweredAreStored(api, experiment);
      // What is still open in there ends with it, and must not be found, either.
      await lab[Symbol.asyncDispose]();
    },
  );

  test('nothing else was found, of no case, when all of them are over', { timeout: 180_000 }, async () => {
    expect(networks.size).toBe(combinations.length);
    await untilAllIsJudged(watch);
    const problems = combinations.flatMap((combination) =>
      problemsOf(combination.testCase.expected[combination.ends], foundOf(combination)).map(
        (problem) =>
          `${combination.testCase.name} over ${combination.family}, ${combination.endsName}: ${problem}`,
      ),
    );
    expect(problems).toEqual([]);
  });

  test('each finding that opened was delivered to a webhook, once', { timeout: 60_000 }, async () => {
    const opened = () => endpoint.events.filter(({ type }) => type === 'finding.opened');
    const missing = () => {
      const delivered = new Set(opened().map(({ data }) => data['id']));
      return watch.all.filter(({ id }) => !delivered.has(id));
    };
    await watch.until(() => missing().length === 0 || undefined, 30_000);
    expect(missing()).toEqual([]);
    const ids = opened().map(({ data }) => data['id']);
    expect(ids).toHaveLength(new Set(ids).size);
  });

  test('the matrix is printed, and written to docs/findings.md on demand', async () => {
    const rows = combinations
      .filter(({ ends }) => ends === 'both')
      .map((both): MatrixRow => {
        const found = combinations
          .filter(({ testCase, family }) => testCase === both.testCase && family === both.family)
          .map((combination) => [combination.ends, codesOf(foundOf(combination))]);
        return {
          testCase: both.testCase,
          family: both.family,
          found: Object.fromEntries(found),
          observations: observations.get(both) ?? [],
        };
      });
    const delays = endpoint.events.flatMap(({ type, data, receivedUs }) => {
      const { address } = data['subject'] as { address: string | null };
      const beganUs = began.get(address ?? '');
      return type === 'finding.opened' && beganUs !== undefined ? [receivedUs - beganUs] : [];
    });
    const figures = [
      `From the first connection or query that a fault hit to \`finding.opened\` at a webhook endpoint: ${distribution(delays)}.`,
    ];
    console.log(formatMatrix(rows));
    for (const figure of figures) console.log(figure);
    if (process.env['SYNSCOPE_WRITE_REPORT'] === '1')
      await writeMatrix(join(import.meta.dirname, '../../docs/findings.md'), rows, figures);
  });
});
