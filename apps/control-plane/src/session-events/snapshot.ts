/**
 * What had been committed at a moment: every transaction with a number below `next`, but those that were `running`. A difference of two
 * of these is exactly what was committed in between, although transactions end in another order than they began. Numbers are xid8 of
 * Postgres: 64 bits, never used again.
 */
export interface Snapshot {
  readonly next: number;
  /** Ascending, below `next`. */
  readonly running: readonly number[];
}

/** Reads a pg_snapshot, `xmin:xmax:xip,xip`. */
export function parseSnapshot(text: string): Snapshot {
  const match = /^\d+:(\d+):([\d,]*)$/.exec(text);
  if (!match) throw new RangeError(`not a snapshot: ${text}`);
  const running = match[2] ? match[2].split(',').map(Number) : [];
  return { next: Number(match[1]), running: running.sort((left, right) => left - right) };
}

/** The moment before this transaction, as far as matters to whoever needs it and nothing earlier. */
export function snapshotBefore(transaction: number): Snapshot {
  return { next: transaction, running: [] };
}

/** `from`, and of what was committed between `from` and `to` the transactions up to this one, which was. */
export function snapshotThrough(from: Snapshot, to: Snapshot, transaction: number): Snapshot {
  if (transaction >= from.next) {
    return { next: transaction + 1, running: to.running.filter((number) => number <= transaction) };
  }
  const open = from.running.filter((number) => number > transaction || to.running.includes(number));
  return { next: from.next, running: open };
}

/** SQL for: committed after `from`, and not after `to`. `place` makes a parameter of a value. */
export function committedBetweenSql(
  column: string,
  from: Snapshot,
  to: Snapshot,
  place: (value: unknown) => string,
): string {
  const xid = (number: number) => `${place(String(number))}::xid8`;
  const xids = (numbers: readonly number[]) => `${place(numbers.map(String))}::xid8[]`;
  // The first term repeats what the others imply, as the range that an index can be read by.
  return `${column} >= ${xid(from.running[0] ?? from.next)} AND ${column} < ${xid(to.next)}
    AND (${column} >= ${xid(from.next)} OR ${column} = ANY (${xids(from.running)})) AND ${column} <> ALL (${xids(to.running)})`;
}
