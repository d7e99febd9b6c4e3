/** Between what two accounts of it say; microseconds. */
export interface Range {
  readonly leastUs: number;
  readonly mostUs: number;
}

/** A measured time beside the true one, microseconds. */
export interface Pair extends Range {
  readonly measuredUs: number;
}

/** The bound: 1 ms or 1 %, whichever is more. */
function withinTolerance({ leastUs, mostUs, measuredUs }: Pair): boolean {
  const outsideUs = Math.max(leastUs - measuredUs, measuredUs - mostUs);
  return outsideUs <= Math.max(1_000, leastUs / 100);
}

/** Holds what REST reported against the truth and keeps what does not agree, in sentences. */
export class Comparer {
  /** Empty if all is well. */
  readonly problems: string[] = [];

  equal(what: string, actual: unknown, expected: unknown): void {
    if (actual !== expected) this.problems.push(`${what} is ${actual}, not ${expected}`);
  }

  /** Appends the pair to `into`, if there are both. */
  time(what: string, into: Pair[], measuredUs: number | null, truth: Range | null): void {
    if (measuredUs === null || truth === null) {
      this.equal(what, measuredUs, truth && `${Math.round(truth.leastUs)} µs`);
      return;
    }
    const pair = { measuredUs, ...truth };
    into.push(pair);
    if (!withinTolerance(pair))
      this.problems.push(
        `${what} is ${Math.round(measuredUs)} µs, not ${Math.round(truth.leastUs)}–${Math.round(truth.mostUs)} µs`,
      );
  }

  /** The one element that matches; none or several is a problem. */
  only<Item>(what: string, items: readonly Item[], matches: (item: Item) => boolean): Item | undefined {
    const found = items.filter(matches);
    if (found.length !== 1) this.problems.push(`${what}: ${found.length} instead of one`);
    return found[0];
  }
}
