import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  startTestApplication,
  type TestApplication,
} from '../../apps/control-plane/src/testing/test-application.ts';
import {
  startWebhookReceiver,
  type WebhookReceiver,
} from '../../apps/control-plane/src/testing/webhook-receiver.ts';
import { type CliResult, runCli } from './run-cli.ts';

let application: TestApplication;
let receiver: WebhookReceiver;
beforeAll(async () => {
  receiver = await startWebhookReceiver();
  application = await startTestApplication({
    SYNSCOPE_WEBHOOK_ALLOW_HTTP: 'true',
    SYNSCOPE_WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1',
  });
});
afterAll(async () => {
  await application.close();
  await receiver.close();
});

const cli = (...argv: readonly string[]): Promise<CliResult> =>
  runCli(argv, {
    environment: { SYNSCOPE_URL: application.baseUrl, SYNSCOPE_TOKEN: application.adminToken },
  });

describe('synscope webhook', () => {
  it('creates, tests, shows and deletes a webhook', async () => {
    const created = await cli(
      ...['webhook', 'create', '--name', 'tickets', '--endpoint', receiver.url],
      ...['--events', 'finding.opened,finding.resolved'],
    );
    expect(created.output).toMatch(/^whsec_[A-Za-z0-9+/]{43}=\n$/);
    const id = /[0-9a-f-]{36}/.exec(created.errors)?.[0] ?? '';
    expect((await cli('webhook', 'list')).output).toMatch(
      /tickets +yes +0 .*finding\.opened,finding\.resolved/,
    );
    const tested = await cli('webhook', 'test', id);
    expect(tested.output).toMatch(/webhook\.test +delivered +1 +204 /);
    receiver.answer = (response) => response.writeHead(400).end();
    const failed = await cli('webhook', 'test', id);
    expect(failed.status).toBe(1);
    expect(failed.output).toMatch(/webhook\.test +failed +1 +400 .*answered 400/);
    receiver.answer = (response) => response.writeHead(204).end();
    const [delivery = ''] = /[0-9a-f-]{36}/.exec(failed.output) ?? [];
    expect((await cli('webhook', 'redeliver', id, delivery)).output).toMatch(/delivered +2 +204 /);
    const log = await cli(
      'webhook',
      'deliveries',
      id,
      '--state',
      'delivered',
      '--event-type',
      'webhook.test',
    );
    expect(log.output.trimEnd().split('\n')).toHaveLength(3);
    expect((await cli('webhook', 'rotate-secret', id)).output).not.toBe(created.output);
    expect((await cli('webhook', 'disable', id)).output).toMatch(/tickets +no/);
    expect((await cli('webhook', 'enable', id)).output).toMatch(/tickets +yes/);
    expect((await cli('webhook', 'delete', id)).status).toBe(0);
  });

  it('says what is wrong with a webhook', async () => {
    const { status, errors } = await cli(
      ...['webhook', 'create', '--name', 'x', '--endpoint', 'https://[::1]/', '--events', 'finding.opened'],
    );
    expect(status).toBe(2);
    expect(errors).toContain('SYNSCOPE_WEBHOOK_ALLOWED_NETWORKS');
  });
});

describe('synscope threshold', () => {
  it('creates, changes, lists and deletes a threshold', async () => {
    const created = await cli(
      ...['threshold', 'create', '--name', 'database', '--remote-port', '5432', '--above-ms', '0.5'],
      ...['--percentile', 'p90', '--for-minutes', '3'],
    );
    expect(created.output).toMatch(/database +handshake_latency p90 +0\.5 ms for 3 min +ok/);
    const ratio = await cli(
      ...['threshold', 'create', '--name', 'dns', '--metric', 'dns_failure_ratio', '--above-ratio', '0.01'],
    );
    expect(ratio.output).toMatch(/dns_failure_ratio +0\.01 for 5 min/);
    const [id = ''] = /[0-9a-f-]{36}/.exec(created.output) ?? [];
    const changed = await cli('threshold', 'update', id, '--above-ms', '80', '--for-minutes', '10');
    expect(changed.output).toMatch(/database +handshake_latency p90 +80 ms for 10 min/);
    const filtered = await cli('threshold', 'update', id, '--remote-port', '6379', '--disable', '-o', 'json');
    expect(JSON.parse(filtered.output)).toMatchObject({
      aboveMs: 80,
      enabled: false,
      filter: { remotePort: 6379 },
    });
    expect((await cli('threshold', 'update', id)).errors).toContain('name a field to change');
    expect((await cli('threshold', 'update', id, '--enable', '--disable')).status).toBe(2);
    expect((await cli('threshold', 'delete', id)).status).toBe(0);
    expect((await cli('threshold', 'list', '--state', 'exceeded', '--fail-if-any')).status).toBe(0);
    expect((await cli('threshold', 'create', '--name', 'y', '--above-ratio', '1')).errors).toContain(
      'aboveMs',
    );
  });
});
