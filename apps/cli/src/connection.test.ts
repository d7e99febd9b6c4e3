import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveConnection } from './connection.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'synscope-connection-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(content: unknown, name = 'config.json'): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

describe('the connection', () => {
  it('prefers the flag to the environment to the file to the default', () => {
    const config = file({ url: 'http://file:1', token: 'from-file' });
    const environment = { SYNSCOPE_URL: 'http://environment:1/', SYNSCOPE_TOKEN: 'from-environment' };
    expect(resolveConnection({ url: 'https://flag', config }, environment)).toEqual({
      url: 'https://flag',
      token: 'from-environment',
    });
    expect(resolveConnection({ config }, { SYNSCOPE_URL: 'http://environment:1/' })).toEqual({
      url: 'http://environment:1',
      token: 'from-file',
    });
    expect(resolveConnection({}, { SYNSCOPE_TOKEN: 't', XDG_CONFIG_HOME: folder }).url).toBe(
      'http://127.0.0.1:8080',
    );
  });

  it('finds its file where the user keeps such files', () => {
    mkdirSync(join(folder, 'synscope'));
    file({ token: 'kept' }, 'synscope/config.json');
    expect(resolveConnection({}, { XDG_CONFIG_HOME: folder }).token).toBe('kept');
  });

  it.each<[Record<string, string>, unknown, RegExp]>([
    [{}, {}, /there is no API token: give it as SYNSCOPE_TOKEN.*admin-token/],
    [{ SYNSCOPE_DATA_DIR: '/data' }, {}, /\/data\/admin-token/],
    [{ SYNSCOPE_TOKEN: 'synj_x.y' }, {}, /join token/],
    [{ SYNSCOPE_TOKEN: 'a b' }, {}, /white space/],
    [{ SYNSCOPE_TOKEN: 't', SYNSCOPE_URL: 'localhost:8080' }, {}, /must be a URL such as .*"localhost:8080"/],
    [{ SYNSCOPE_TOKEN: 't' }, { tokne: 'x' }, /configuration file .* is wrong: .*tokne/],
    [{ SYNSCOPE_TOKEN: 't' }, '{', /configuration file .* cannot be read/],
  ])('refuses %j with %j as bad usage and says what to do', (environment, content, problem) => {
    const resolve = () => resolveConnection({ config: file(content) }, { HOME: folder, ...environment });
    expect(resolve).toThrow(problem);
    expect(resolve).toThrow(expect.objectContaining({ exitStatus: 2 }));
  });
});
