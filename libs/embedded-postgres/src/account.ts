import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { EmbeddedPostgresError } from './errors.js';

/** The user that Postgres runs as; undefined means "as this process does". */
export type Account = { readonly uid: number; readonly gid: number };

/**
 * Postgres refuses to run as root. Then an existing cluster keeps its owner (an account that appears later, say by
 * installing Debian's postgresql, must not lock it out), and a new one gets `postgres` or `nobody`.
 */
export function accountFor(clusterDirectory: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const owner = statSync(clusterDirectory, { throwIfNoEntry: false });
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const entry = accounts.find((fields) => fields[0] === name);
    const uid = Number(entry?.[2]);
    if (entry !== undefined && uid > 0) return { uid, gid: Number(entry[3]) };
  }
  throw new EmbeddedPostgresError(
    'no_unprivileged_account',
    'Postgres does not run as root, and this host has neither a user "postgres" nor "nobody" to run it as. Start as an ordinary user, or set DATABASE_URL.',
  );
}

/** Asks the kernel, as that account, so that modes, groups, ACLs and every directory on the way count. */
export function canReach(account: Account | undefined, path: string): boolean {
  const test = spawnSync('/bin/sh', ['-c', 'test -x "$1"', 'sh', path], {
    ...account,
    cwd: '/',
  });
  return test.status === 0;
}
