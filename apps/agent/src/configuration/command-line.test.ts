import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AGENT_VERSION } from '../version.js';
import { parseCommandLine } from './command-line.js';

const PIN = 'p'.repeat(43);
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'synscope-configuration-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function file(content: unknown): string {
  const path = join(folder, 'agent.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

describe('the configuration', () => {
  it('prefers the flag to the environment to the file to the default', () => {
    const path = file({
      server: 'file:1',
      dataDir: '/file',
      logLevel: 'error',
      labels: { a: 'file', b: 'file', c: 'file' },
    });
    const configuration = parseCommandLine(['--server', 'flag:1', '--config', path, '--label', 'a=flag'], {
      SYNSCOPE_SERVER: 'environment:1',
      SYNSCOPE_DATA_DIR: '/environment',
      SYNSCOPE_LABELS: 'a=environment,b=environment',
    });
    expect(configuration).toMatchObject({
      servers: [{ host: 'flag', port: 1 }],
      dataDir: '/environment',
      logLevel: 'error',
      bufferBytes: 32 * 1024 * 1024,
      labels: { a: 'flag', b: 'environment', c: 'file' },
      token: undefined,
      queryNames: { kind: 'full' },
    });
  });

  it('takes several addresses, separated by commas or one by one', () => {
    const servers = [
      { host: 'a', port: 1 },
      { host: '::1', port: 2 },
    ];
    expect(parseCommandLine(['--server', 'a:1', '--server', '[::1]:2'], {})).toMatchObject({ servers });
    expect(parseCommandLine([], { SYNSCOPE_SERVER: 'a:1, [::1]:2' })).toMatchObject({ servers });
    expect(parseCommandLine(['--config', file({ server: 'a:1,[::1]:2' })], {})).toMatchObject({ servers });
  });

  it('takes everything from the environment, the file’s name too', () => {
    const configuration = parseCommandLine([], {
      SYNSCOPE_CONFIG: file({ server: 'h:1' }),
      SYNSCOPE_TOKEN: `synj_s.${PIN}`,
      SYNSCOPE_PROBE: '/p',
      SYNSCOPE_LOG_LEVEL: 'debug',
      SYNSCOPE_BUFFER_BYTES: '2000000',
    });
    expect(configuration).toMatchObject({
      token: { secret: 's', pin: PIN },
      probe: '/p',
      logLevel: 'debug',
      bufferBytes: 2_000_000,
    });
  });

  it('takes the policy for names from each source', () => {
    const file1 = file({ server: 'h:1', queryNames: 'hash', queryNamesKeyFile: '/key' });
    expect(parseCommandLine(['--config', file1], {})?.queryNames).toEqual({ kind: 'hash', keyFile: '/key' });
    expect(
      parseCommandLine(['--server', 'h:1'], { SYNSCOPE_QUERY_NAMES: 'last-labels=2' })?.queryNames,
    ).toEqual({ kind: 'last_labels', labels: 2 });
    expect(parseCommandLine(['--server', 'h:1', '--query-names', 'hash'], {})?.queryNames).toEqual({
      kind: 'hash',
      keyFile: undefined,
    });
  });

  it.each<[readonly string[], RegExp]>([
    [[], /no control plane is named: give --server HOST:PORT, SYNSCOPE_SERVER/],
    [['--server', 'x'], /HOST:PORT/],
    [['--server', 'a:1,'], /HOST:PORT.*it is ""/],
    [['--server', Array(33).fill('a:1').join()], /names 33 addresses, at most 32/],
    [['--server', 'h:1', '--label', 'novalue'], /--label: "novalue" is no label; write key=value/],
    [['--server', 'h:1', '--label', 'a b=c'], /label "a b"/],
    [['--server', 'h:1', '--log-level', 'loud'], /log level must be one of/],
    [['--server', 'h:1', '--buffer-bytes', '12'], /at least 1048576/],
    [['--server', 'h:1', '--config', '/nonexistent'], /configuration file \/nonexistent cannot be read/],
    [['--server', 'h:1', '--token', 'abc'], /join token is incomplete/],
    [
      ['--server', 'h:1', '--query-names', 'some'],
      /--query-names must be full, hash or last-labels=N .* "some"/,
    ],
    [['--server', 'h:1', '--query-names', 'last-labels=0'], /N from 1 to 127; it is "last-labels=0"/],
    [['--server', 'h:1', '--query-names', 'last-labels'], /--query-names must be/],
    [
      ['--server', 'h:1', '--query-names-key-file', '/key'],
      /--query-names-key-file is given, but --query-names is full/,
    ],
    [['--sever', 'h:1'], /unknown option '--sever'/],
    [['--server', 'h:1', 'extra'], /too many arguments/],
  ])('refuses %j with status 2 and says what is wrong', (argv, problem) => {
    const parse = () => parseCommandLine(argv, {});
    expect(parse).toThrow(problem);
    expect(parse).toThrow(expect.objectContaining({ exitStatus: 2 }));
  });

  it('names the field of the file that is wrong or unknown', () => {
    expect(() => parseCommandLine(['--config', file({ server: 'h:1', sever: 1 })], {})).toThrow(/"sever"/);
    expect(() => parseCommandLine(['--config', file({ bufferBytes: 'much' })], {})).toThrow(/bufferBytes/);
    expect(() => parseCommandLine(['--config', file('{')], {})).toThrow(/cannot be read/);
  });

  it('prints help with the environment and the file', () => {
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    expect(parseCommandLine(['--help'], {})).toBeNull();
    const help = write.mock.calls.map(([text]) => text).join('');
    write.mockRestore();
    expect(help).toContain('SYNSCOPE_LABELS');
    expect(help).toContain('Configuration file (JSON');
  });

  it('has the version of the package', () => {
    const manifest: unknown = JSON.parse(
      readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
    );
    expect(manifest).toMatchObject({ version: AGENT_VERSION });
  });
});
