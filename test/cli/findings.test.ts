import type { Finding } from '@synscope/api-contract';
import { HandshakeOutcome } from '@synscope/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { handshakeRecord } from '../../apps/control-plane/src/testing/handshake-batch.ts';
import { openFindings } from '../../apps/control-plane/src/testing/open-findings.ts';
import { ipv4 } from '../../apps/control-plane/src/testing/record-columns.ts';
import {
  startTestApplication,
  type TestApplication,
} from '../../apps/control-plane/src/testing/test-application.ts';
import { tracedHost } from '../../apps/control-plane/src/testing/traced-hosts.ts';
import { HOSTILE_NAME } from './records.ts';
import { type CliResult, runCli } from './run-cli.ts';

let application: TestApplication;
beforeAll(async () => {
  application = await startTestApplication();
});
afterAll(() => application.close());

const cli = (...argv: readonly string[]): Promise<CliResult> =>
  runCli(argv, {
    environment: { SYNSCOPE_URL: application.baseUrl, SYNSCOPE_TOKEN: application.adminToken },
  });

describe('synscope findings', () => {
  it('lists what is open, shows its evidence, and takes it on and off', async () => {
    expect((await cli('findings', '--fail-if-any')).status).toBe(0);
    const [id = ''] = await openFindings(application, 2);
    const listed = await cli('findings', '--fail-if-any', '--code', 'port_closed');
    expect(listed.status).toBe(1);
    expect(listed.output).toMatch(/ open +port_closed +203\.0\.113\.0:81 .* 1 /);
    const shown = await cli('findings', 'show', id);
    expect(shown.output).toMatch(/SEEN +VALUE +RECORD/);
    expect(shown.output).toMatch(/WOULD BE REFUTED BY/);
    expect(shown.output).toMatch(/CHANGE +NOW +TO/);
    expect((await cli('findings', 'acknowledge', id, '--comment', 'OPS-1')).output).toContain('acknowledged');
    const resolved = await cli('findings', 'resolve', id, '-o', 'json');
    expect(JSON.parse(resolved.output)).toMatchObject({ id, state: 'resolved' } satisfies Partial<Finding>);
    expect((await cli('findings', '-o', 'ndjson')).output).not.toContain(id);
    expect((await cli('findings', '--state', 'resolved')).output).toContain(id);
  });

  it('says what is wrong with a request', async () => {
    const unknown = await cli('findings', '--code', 'bogus');
    expect([unknown.status, unknown.output]).toEqual([2, '']);
    expect(unknown.errors).toContain('accept_queue_full');
    const nobody = await cli('findings', 'show', '0198c0de-0000-7000-8000-0000000000aa');
    expect(nobody.status).toBe(1);
    expect(nobody.errors).toContain('There is no finding');
  });
});

describe('synscope diagnose', () => {
  it('tells the cause with its evidence, of one client if asked, and what was not seen', async () => {
    const host = await tracedHost(application, 'shop-1');
    const other = await tracedHost(application, 'shop-2');
    const to = (outcome: HandshakeOutcome) =>
      handshakeRecord({
        outcome,
        latencyUs: 800,
        remoteAddress: ipv4('198.51.100.9'),
        remotePort: 5_432,
        processName: HOSTILE_NAME,
      });
    await host.send({ handshakes: [to(HandshakeOutcome.REFUSED), to(HandshakeOutcome.REFUSED)] });
    await other.send({ handshakes: [to(HandshakeOutcome.ESTABLISHED)] });
    const { status, output, errors } = await cli('diagnose', '198.51.100.9:5432', '--fail-if-any');
    expect(status).toBe(1);
    expect(output).toMatch(/port_closed +2 of 3 /);
    expect(output).toMatch(/CAUSE +HURT +ADDED/);
    expect(output).not.toContain(HOSTILE_NAME);
    expect(errors).toMatch(/not seen: /);
    const ofOther = await cli('diagnose', '198.51.100.9:5432', '--source', 'shop-2', '-o', 'json');
    expect(JSON.parse(ofOther.output)).toMatchObject({ examined: { records: 1, slowOrFailed: 0 } });
  });

  it('of a destination that nobody asked for has nothing to tell, and is no failure', async () => {
    const { status, output } = await cli('diagnose', '198.51.100.10', '--fail-if-any');
    expect(status).toBe(0);
    expect(output).toMatch(/0 of 0/);
  });

  it('of something that is no destination is bad usage', async () => {
    const { status, errors } = await cli('diagnose', '300.1.1.1:99999');
    expect(status).toBe(2);
    expect(errors).toContain('destination');
  });
});
