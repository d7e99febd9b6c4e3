import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  startTestApplication,
  type TestApplication,
} from '../../apps/control-plane/src/testing/test-application.ts';
import { HOSTILE_NAME, storeBothEnds, storeRecords } from './records.ts';
import { type CliOptions, type CliResult, runCli } from './run-cli.ts';

let application: TestApplication;
let environment: Readonly<Record<string, string>>;
beforeAll(async () => {
  application = await startTestApplication();
  environment = { SYNSCOPE_URL: application.baseUrl, SYNSCOPE_TOKEN: application.adminToken };
  await storeRecords(application);
});
afterAll(() => application.close());

const cli = (argv: readonly string[], options: CliOptions = {}): Promise<CliResult> =>
  runCli(argv, { environment, ...options });
const lines = (text: string) => text.trimEnd().split('\n');

describe('synscope slow', () => {
  it('shows the slowest handshakes first, and beside them what was lost', async () => {
    const { status, output, errors } = await cli(['slow']);
    expect(status).toBe(0);
    const [headings, ...rows] = lines(output);
    expect(headings).toMatch(/LATENCY +OUTCOME +ROLE +HOST +PROCESS +REMOTE +RETRANSMITS +OBSERVED/);
    expect(rows.map((row) => row.trim().split(/ {2,}/)[0])).toEqual(['6.00 s', '51.2 ms', '730 µs']);
    expect(rows[0]).toMatch(/timed_out +client +web-1 +curl +192\.0\.2\.1:443 +2 /);
    expect(errors).toBe('counted as lost, and missing here: 5 records (ring_full); -o json tells when\n');
  });

  it.each<[string, string[], number?]>([
    ['table', ['slow']],
    ['table in a terminal', ['slow'], 200],
    ['json', ['slow', '-o', 'json']],
    ['json in a terminal', ['slow', '-o', 'json'], 80],
    ['ndjson', ['slow', '-o', 'ndjson']],
    ['csv in a terminal', ['slow', '-o', 'csv'], 80],
  ])(
    'never gives a terminal the escape codes of a process name (%s)',
    async (_name, argv, terminalColumns) => {
      const result = await cli(argv, {
        environment: { ...environment, NO_COLOR: '1' },
        ...(terminalColumns !== undefined && { terminalColumns }),
      });
      expect(result.status).toBe(0);
      expect(result.output).toContain(']0;x');
      expect(result.output).not.toMatch(/(?![\n\r])[\p{Cc}\p{Cf}]/u);
    },
  );

  it('gives scripts the name as it is, as JSON by escapes that mean the same', async () => {
    const { output } = await cli([
      'slow',
      '-o',
      'ndjson',
      '--remote-port',
      '443',
      '--outcome',
      'established',
    ]);
    expect(lines(output).map((line) => JSON.parse(line).process.name)).toEqual([HOSTILE_NAME]);
    const { body } = await application.call('GET', '/handshakes?order=-latencyUs');
    expect(JSON.parse((await cli(['slow', '-o', 'json'])).output).items).toEqual(body.items);
  });

  it('streams all of it as CSV with a line of headings', async () => {
    const { output } = await cli(['slow', '-o', 'csv']);
    expect(lines(output)).toHaveLength(4);
    expect(output).toMatch(/^id,observedAt,/);
  });

  it('pages by cursor', async () => {
    const first = await cli(['slow', '--limit', '2']);
    expect(lines(first.output)).toHaveLength(3);
    const cursor = /--cursor (\S+)/.exec(first.errors)?.[1] ?? '';
    const second = await cli(['slow', '--limit', '2', '--cursor', cursor]);
    expect(lines(second.output)).toHaveLength(2);
    expect(second.output).toContain('730 µs');
  });

  it.each(['table', 'json', 'ndjson', 'csv'])(
    'ends with 1 with --fail-if-any only if something was found (%s)',
    async (format) => {
      const found = await cli(['slow', '-o', format, '--outcome', 'timed_out', '--fail-if-any']);
      expect(found.status).toBe(1);
      const none = await cli(['slow', '-o', format, '--outcome', 'refused', '--fail-if-any']);
      expect(none.status).toBe(0);
    },
  );

  it('ends in order when its reader has enough', async () => {
    const { status, errors } = await cli(['slow', '-o', 'ndjson'], { writesUntilGone: 0 });
    expect([status, errors]).toEqual([0, '']);
  });

  it('says which flag the control plane refuses, and why, with status 2', async () => {
    const { status, errors } = await cli(['slow', '--since', 'yesterday', '--outcome', 'lost']);
    expect(status).toBe(2);
    expect(errors).toMatch(/since \(--since\): expected an RFC 3339 time/);
    expect(errors).toMatch(/--outcome\): expected one of established/);
  });
});

describe('synscope dns', () => {
  it('groups by name and server, largest 99th percentile first', async () => {
    const { status, output } = await cli(['dns', '--outcome', 'answered']);
    expect(status).toBe(0);
    const [headings, ...rows] = lines(output);
    expect(headings).toMatch(/^queryName +serverAddress +QUERIES +FAILED +UNANSWERED +P50 +P90 +P99 +MAX/);
    expect(rows.map((row) => row.split(' ')[0])).toEqual(['slow.example.com', 'fast.example.com']);
    expect(rows[0]).toMatch(/900 ms/);
  });

  it('groups and orders as asked, in every form', async () => {
    const argv = ['dns', '--group-by', 'queryNameSuffix', '--order', '-count'];
    expect(JSON.parse((await cli([...argv, '-o', 'json'])).output).items).toMatchObject([
      { group: { queryNameSuffix: 'example.com' }, count: 3, unanswered: 1 },
    ]);
    expect(JSON.parse((await cli([...argv, '-o', 'ndjson'])).output)).toMatchObject({ count: 3 });
    expect(lines((await cli([...argv, '-o', 'csv'])).output)).toEqual([
      expect.stringMatching(/^group\.queryNameSuffix,count,failed,unanswered,late,latencyUs\.p50,/),
      expect.stringMatching(/^example\.com,3,/),
    ]);
    expect((await cli([...argv, '--fail-if-any'])).status).toBe(1);
  });

  it('lists queries, slowest first', async () => {
    const { output } = await cli(['dns', 'list', '--query-name-suffix', 'example.com']);
    const [, ...rows] = lines(output);
    expect(rows[0]).toMatch(/unanswered +- +A +never\.example\.com +192\.0\.2\.53:53/);
    expect(rows).toHaveLength(3);
  });
});

describe('synscope lookups', () => {
  it('shows the slowest calls of getaddrinfo()', async () => {
    const { status, output } = await cli(['lookups', '--min-latency-ms', '200']);
    expect(status).toBe(0);
    expect(output).toMatch(/250 ms +EAI_AGAIN +any +api\.example\.com +web-1/);
    expect((await cli(['lookups', '--name', 'other.example'])).errors).toContain('nothing found');
  });
});

describe('synscope listeners', () => {
  it('shows which sockets refused most, with their queues', async () => {
    const { status, output } = await cli(['listeners']);
    expect(status).toBe(0);
    const [headings, ...rows] = lines(output);
    expect(headings).toMatch(/^LISTENS ON +HOST +PROCESS +ACCEPT QUEUE +PEAK +SYN QUEUE +SYNS +ACCEPT FULL/);
    expect(rows[0]).toMatch(/^192\.0\.2\.80:7000 +web-1 +nginx +0 of 511 +512 +0 +0 +6 +0 +0 +0 +0 /);
    expect(rows).toHaveLength(2);
    expect((await cli(['listeners', '--refusing', 'true', '--fail-if-any'])).status).toBe(1);
  });

  it('shows the history of a socket', async () => {
    const { output } = await cli(['listeners', 'samples', '--local-port', '80', '-o', 'ndjson']);
    expect(JSON.parse(output)).toMatchObject({ socketCookie: '5b', acceptQueue: { limit: 511 } });
  });

  it('refuses a bad filter with status 2', async () => {
    const { status, errors } = await cli(['listeners', '--refusing', 'maybe']);
    expect([status, errors]).toEqual([2, expect.stringContaining('expected true or false')]);
  });
});

describe('synscope handshake', () => {
  it('shows one handshake, its other end and where the time went, each with what it was derived from', async () => {
    const { client, server } = await storeBothEnds(application);
    const { status, output } = await cli(['handshake', client]);
    expect(status).toBe(0);
    expect(output).toMatch(new RegExp(`other end +web-1 +exact: ${server}`));
    expect(output).toMatch(/network round trip +50\.0 ms +latencyUs of the client less lostSynWait/);
    expect(output).toMatch(
      /wait for a lost SYN +1\.02 s +latencyUs of the client less latencyUs of the server/,
    );
    expect(output).toMatch(/SYN_RECV to ESTABLISHED +25\.0 ms ±0 µs +one clock/);
    expect(JSON.parse((await cli(['handshake', client, '-o', 'json'])).output)).toMatchObject({
      id: client,
      peer: { handshakeId: server, match: 'exact' },
    });
  });

  it('says that the other end is not known where it is not, and what is no handshake', async () => {
    const { body } = await application.call('GET', '/handshakes?outcome=timed_out');
    const { output } = await cli(['handshake', body.items[0].id]);
    expect(output).toMatch(/other end +- +not known/);
    const missing = await cli(['handshake', '0198c0de-0000-7000-8000-000000000000']);
    expect(missing.status).toBe(1);
    expect(missing.errors).toMatch(/handshake/);
  });
});
