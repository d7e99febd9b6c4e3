/** What the columns of one batch are made from. */
export interface Draw {
  readonly rowCount: number;
  readonly baseUs: number;
  /** Numbers in 0–1. */
  readonly random: () => number;
  readonly sessionId: Uint8Array;
}

/** One in fifty is slow enough for the partial indexes, one in two hundred failed. */
const SLOW_EVERY = 50;
const FAILED_EVERY = 200;

const PROCESS_NAMES = ['nginx', 'curl', 'postgres', 'envoy', 'java', 'node'];
const CONTAINER_IDS = Array.from({ length: 4 }, (_, i) => `${i}`.repeat(64));

export function column({ rowCount }: Draw, value: (row: number) => number): number[] {
  return Array.from({ length: rowCount }, (_, row) => value(row));
}

/** Of 5,000 hosts in 10.<network>.0.0/16. */
export function addresses(draw: Draw, network: number): Uint8Array {
  return Buffer.concat(
    column(draw, () => Math.floor(draw.random() * 5_000)).map((host) =>
      Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, network, host >> 8, host & 255),
    ),
  );
}

export function latencyUs({ random }: Draw, row: number): number {
  return Math.floor(row % SLOW_EVERY === 3 ? 20_000 + random() * 1e6 : 100 + random() * 5_000);
}

export function isFailed(row: number): boolean {
  return row % FAILED_EVERY === 7;
}

/** What every kind of record has. */
export function commonColumns(draw: Draw) {
  const { rowCount, baseUs, random, sessionId } = draw;
  return {
    rowCount,
    baseObservedAtUs: BigInt(baseUs),
    observedAtDeltaUs: column(draw, (row) => row * 90 + Math.floor(random() * 80)).map(BigInt),
    netns: column(draw, (row) => 4_026_531_840 + (row % 4)),
    pid: column(draw, () => 1 + Math.floor(random() * 30_000)),
    cgroupId: column(draw, (row) => 1_000 + (row % 12)).map(BigInt),
    processNameIndexPlusOne: column(draw, (row) => 1 + (row % PROCESS_NAMES.length)),
    containerIdIndexPlusOne: column(draw, (row) => row % (CONTAINER_IDS.length + 1)),
    sessionSetIndex: column(draw, () => 0),
    flags: column(draw, () => 0),
    processNames: PROCESS_NAMES,
    containerIds: CONTAINER_IDS,
    sessionSets: [{ sessionIds: [sessionId] }],
  };
}
