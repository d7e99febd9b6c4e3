import { afterAll, beforeAll, expect, it } from 'vitest';
import { type TestFleet, testFleet } from '../testing/fleet.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

const HOSTS = 8;
const SESSIONS = 200;

let application: TestApplication;
let fleet: TestFleet;
beforeAll(async () => {
  // These agents send no heartbeats, and on a busy machine all of it takes longer than an agent may be silent.
  application = await startTestApplication({
    SYNSCOPE_AGENT_HEARTBEAT: '300s',
    SYNSCOPE_AGENT_LEASE: '3600s',
  });
  fleet = testFleet(application);
});
afterAll(async () => {
  await fleet.close();
  await application.close();
});

it('200 sessions of one host each, started at once by a bot, all run', async () => {
  const agents = await Promise.all(
    Array.from({ length: HOSTS }, (_, index) => fleet.agent({ host: `h${index}` })),
  );
  const answers = await Promise.all(
    Array.from({ length: SESSIONS }, (_, index) =>
      fleet.session({ name: `bot ${index}`, selector: `host=h${index % HOSTS}` }, '?wait=60s'),
    ),
  );
  expect(answers.filter(({ status }) => status !== 201).map(({ body }) => body)).toEqual([]);
  for (const { body } of answers) expect(body.targets).toMatchObject({ matched: 1, running: 1 });
  expect(agents.map(({ running }) => running.size)).toEqual(Array(HOSTS).fill(SESSIONS / HOSTS));
}, 120_000);
