import type { StoredSchedule } from './schedule.js';

/** As many characters as the name of a trace session may have. */
const LONGEST_NAME = 200;

/** Tells the schedule and the run: `nightly 2026-03-29T01:00:00Z`, or `slow checkout (nightly 2026-03-29T01:00:00Z)` if the session has a name. */
export function sessionName(
  { name, session }: Pick<StoredSchedule, 'name' | 'session'>,
  dueAt: Date,
): string {
  const run = `${name} ${dueAt.toISOString().replace(/\.000Z$/, 'Z')}`;
  if (session.name === null) return run;
  const room = LONGEST_NAME - run.length - ' ()'.length;
  const given = session.name.length <= room ? session.name : `${session.name.slice(0, room - 1)}…`;
  // A cut may have gone through a pair of surrogates.
  return `${given.toWellFormed()} (${run})`;
}
