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

/** The same as Postgres writes it. */
export function formatSnapshot({ next, running }: Snapshot): string {
  return `${running[0] ?? next}:${next}:${running.join(',')}`;
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

/** Numbers of transactions that may have been committed in between: from `since` until before `before` but for `besides`, and `others`. */
export interface Committed {
  readonly since: number;
  readonly before: number;
  readonly besides: readonly number[];
  /** Of those that ran for longer. */
  readonly others: readonly number[];
}

/** One that goes on running costs nothing: it is not in there until it has ended. */
export function committedBetween(from: Snapshot, to: Snapshot): Committed {
  return {
    since: from.next,
    before: to.next,
    besides: to.running.filter((number) => number >= from.next),
    others: from.running.filter((number) => number < to.next && !to.running.includes(number)),
  };
}
