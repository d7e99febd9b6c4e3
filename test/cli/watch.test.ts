import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { IngestService } from '../../apps/control-plane/src/ingest/ingest.service.ts';
import { SessionWatch } from '../../apps/control-plane/src/session-events/session-watch.ts';
import { type TestFleet, testFleet } from '../../apps/control-plane/src/testing/fleet.ts';
import { handshakeRecord } from '../../apps/control-plane/src/testing/handshake-batch.ts';
import { recordBatchBytes } from '../../apps/control-plane/src/testing/record-batch.ts';
import { startSeverableProxy } from '../../apps/control-plane/src/testing/severable-proxy.ts';
import {
  startTestApplication,
  type TestApplication,
} from '../../apps/control-plane/src/testing/test-application.ts';
import { HOSTILE_NAME } from './records.ts';
import { runCli } from './run-cli.ts';

const bootId = '0198c0de-0000-7000-8000-0000000000bb';

let application: TestApplication;
let fleet: TestFleet;
let environment: Readonly<Record<string, string>>;
beforeAll(async () => {
  application = await startTestApplication();
  fleet = testFleet(application);
  environment = { SYNSCOPE_URL: application.baseUrl, SYNSCOPE_TOKEN: application.adminToken };
});
afterEach(() => fleet.close());
afterAll(() => application.close());

async function store(agentId: string, seq: number, sessionId: string, latencyUs: number): Promise<void> {
  const bytes = recordBatchBytes(seq, {
    handshakes: [
      handshakeRecord({
        observedAtUs: Date.now() * 1_000,
        latencyUs,
        processName: HOSTILE_NAME,
        sessionIds: [sessionId],
      }),
    ],
  });
  await application.app.get(IngestService).submit({ agentId, bootId, bytes });
}

/** Calls `act` once, as soon as the output holds the text. */
function onceShown(text: string, act: () => unknown): (output: string) => void {
  let isDone = false;
  return (output) => {
    if (isDone || !output.includes(text)) return;
    isDone = true;
    act();
  };
}

describe('synscope trace watch', () => {
  it.each(['table', 'ndjson'])(
    'shows what is there and what arrives, until the session ends (%s)',
    async (format) => {
      const agent = await fleet.agent({ test: format });
      const { body: session } = await fleet.session({ selector: `test=${format}` }, '?wait=10s');
      await store(agent.agentId, 1, session.id, 51_000);
      const stop = () => application.call('POST', `/trace-sessions/${session.id}/stop?wait=10s`);
      const [first, second] = format === 'table' ? ['51.0 ms', '52.0 ms'] : ['51000', '52000'];
      const shown: Promise<unknown>[] = [];
      const storeSecond = onceShown(first, () => shown.push(store(agent.agentId, 2, session.id, 52_000)));
      const end = onceShown(second, () => shown.push(stop()));
      const { status, output, errors } = await runCli(
        ['trace', 'watch', session.id, '-o', format, '--fail-if-any'],
        {
          environment,
          onOutput: (text) => {
            storeSecond(text);
            end(text);
          },
        },
      );
      await Promise.all(shown);
      expect(status).toBe(1);
      expect(output).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
      if (format === 'table') {
        expect(output).toContain(String.raw`established  to 192.0.2.1:443  \x1b]0;x\x07\u{202e} on `);
        expect(errors).toMatch(/the session has ended: stopped\n$/);
      } else {
        const events = output
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line));
        expect(events.filter(({ event }) => event === 'handshake').map(({ data }) => data.latencyUs)).toEqual(
          [51_000, 52_000],
        );
        expect(events.at(-1)).toMatchObject({ event: 'end', data: { state: 'stopped' } });
      }
    },
  );

  it('goes on where it was when the stream breaks off, each record once', async () => {
    const proxy = await startSeverableProxy(application.baseUrl);
    const agent = await fleet.agent({ test: 'severed' });
    const { body: session } = await fleet.session({ selector: 'test=severed' }, '?wait=10s');
    await store(agent.agentId, 1, session.id, 51_000);
    const done: Promise<unknown>[] = [];
    const severed = async () => {
      await proxy.sever();
      await store(agent.agentId, 2, session.id, 52_000);
      await proxy.restore();
    };
    const sever = onceShown('51000', () => done.push(severed()));
    const end = onceShown('52000', () =>
      done.push(application.call('POST', `/trace-sessions/${session.id}/stop?wait=10s`)),
    );
    const { status, output, errors } = await runCli(['trace', 'watch', session.id, '-o', 'ndjson'], {
      environment: { ...environment, SYNSCOPE_URL: proxy.url },
      onOutput: (text) => {
        sever(text);
        end(text);
      },
    });
    await Promise.all(done);
    await proxy.sever();
    expect(status).toBe(0);
    expect(errors).toContain('the stream broke off, and goes on where it was\n');
    expect(output.match(/"latencyUs":5\d000/g)).toEqual(['"latencyUs":51000', '"latencyUs":52000']);
  });

  it('fails with a word on why when its token has expired or was deleted', async () => {
    const { body: token } = await application.call('POST', '/api-tokens', {
      body: { name: 'short-lived', role: 'viewer' },
    });
    const { body: session } = await fleet.session({ selector: 'test=denied' });
    const deleted: Promise<unknown>[] = [];
    const remove = async () => {
      await application.call('DELETE', `/api-tokens/${token.id}`);
      await application.app.get(SessionWatch).checkReaders();
    };
    const { status, errors } = await runCli(['trace', 'watch', session.id, '-o', 'ndjson'], {
      environment: { ...environment, SYNSCOPE_TOKEN: token.token },
      onOutput: onceShown('"session"', () => deleted.push(remove())),
    });
    await Promise.all(deleted);
    expect(status).toBe(1);
    expect(errors).toContain('The token has expired or was deleted');
  });

  it('ends with the status of the signal when it is interrupted', async () => {
    await fleet.agent({ test: 'interrupt' });
    const { body: session } = await fleet.session({ selector: 'test=interrupt' }, '?wait=10s');
    const interruption = new AbortController();
    const { status } = await runCli(['trace', 'watch', session.id, '-o', 'ndjson'], {
      environment,
      interrupted: interruption.signal,
      onOutput: () => interruption.abort('SIGINT'),
    });
    expect(status).toBe(130);
    // The program would exit here, which closes its connection; in this process the end of the session does.
    await application.call('POST', `/trace-sessions/${session.id}/stop?wait=10s`);
  });

  it('fails for a session that does not exist', async () => {
    const { status, errors } = await runCli(['trace', 'watch', '0198c0de-0000-7000-8000-0000000000aa'], {
      environment,
    });
    expect([status, errors]).toEqual([1, expect.stringContaining('no trace session')]);
  });
});
