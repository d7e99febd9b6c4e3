import { committedBetween, type Snapshot } from './snapshot.js';

/** Collects the parameters of a statement. */
export interface Placing {
  readonly parameters: unknown[];
  readonly place: (value: unknown) => string;
}

export function placing(): Placing {
  const parameters: unknown[] = [];
  return { parameters, place: (value) => `$${parameters.push(value)}` };
}

/** The rows of the ledger that were committed in between, with records in their batches, as an item of FROM. */
export function committedBatchesSql(from: Snapshot, to: Snapshot, place: Placing['place']): string {
  const { since, before, besides, others } = committedBetween(from, to);
  const xids = (numbers: readonly number[]) => `${place(numbers.map(String))}::xid8[]`;
  const xid = (number: number) => `${place(String(number))}::xid8`;
  const parts = [
    `stored_in >= ${xid(since)} AND stored_in < ${xid(before)}${besides.length > 0 ? ` AND stored_in <> ALL (${xids(besides)})` : ''}`,
    ...(others.length > 0 ? [`stored_in = ANY (${xids(others)})`] : []),
  ];
  // By OR, the index could not be read in order.
  return `(${parts.map((part) => `SELECT * FROM ingest_batch WHERE rows > 0 AND ${part}`).join(' UNION ALL ')}) AS batches`;
}

/** How many of them make a page of so many records, or somewhat more: whole transactions, in whose order they are. */
export function endOfPage(
  stored: readonly { readonly storedIn: number; readonly rows: number }[],
  records: number,
): number {
  let rows = 0;
  for (const [index, part] of stored.entries()) {
    if (rows >= records && part.storedIn !== stored[index - 1]?.storedIn) return index;
    rows += part.rows;
  }
  return stored.length;
}
