import { create, toBinary } from '@bufbuild/protobuf';
import { BatchSchema, HandshakeColumnsSchema, HandshakeOutcome, HandshakeRole } from '@synscope/protocol';

/** Different enough that compression and caches have no easy time, few enough to be made in a second. */
const TEMPLATES = 64;

/** One in fifty is slow enough for the partial indexes, one in two hundred failed. */
const SLOW_EVERY = 50;
const FAILED_EVERY = 200;

const PROCESS_NAMES = ['nginx', 'curl', 'postgres', 'envoy', 'java', 'node'];
const CONTAINER_IDS = Array.from({ length: 4 }, (_, i) => `${i}`.repeat(64));

/**
 * The columns of batches in their wire form, made once. Sending one costs only a few bytes in front of it, so that the client, which would run
 * on other machines, takes little of this one.
 */
export class SyntheticBatches {
  readonly #columns: Uint8Array[] = [];

  constructor(rowsPerBatch: number, sessionId: Uint8Array) {
    const nowUs = Date.now() * 1_000;
    for (let i = 0; i < TEMPLATES; i++)
      this.#columns.push(columns(rowsPerBatch, nowUs - i * 100_000, i + 1, sessionId));
  }

  /** A ConnectRequest with a batch of this number. */
  message(seq: number): Buffer {
    const columns = this.#columns[seq % TEMPLATES] ?? new Uint8Array();
    const head = toBinary(BatchSchema, create(BatchSchema, { seq: BigInt(seq) }));
    // Batch.handshakes = 2 and ConnectRequest.batch = 4, both length-delimited.
    const inner = Buffer.concat([head, Uint8Array.of(0x12), varint(columns.length)]);
    return Buffer.concat([Uint8Array.of(0x22), varint(inner.length + columns.length), inner, columns]);
  }
}

function columns(rowCount: number, baseUs: number, seed: number, sessionId: Uint8Array): Uint8Array {
  const random = generator(seed);
  const column = (value: (row: number) => number): number[] =>
    Array.from({ length: rowCount }, (_, row) => value(row));
  const addresses = (network: number) =>
    Buffer.concat(
      column(() => Math.floor(random() * 5_000)).map((host) =>
        Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, network, host >> 8, host & 255),
      ),
    );
  const outcomes = column((row) =>
    row % FAILED_EVERY === 7 ? HandshakeOutcome.TIMED_OUT : HandshakeOutcome.ESTABLISHED,
  );
  return toBinary(
    HandshakeColumnsSchema,
    create(HandshakeColumnsSchema, {
      rowCount,
      baseObservedAtUs: BigInt(baseUs),
      observedAtDeltaUs: column((row) => row * 90 + Math.floor(random() * 80)).map(BigInt),
      role: column((row) => (row % 2 ? HandshakeRole.CLIENT : HandshakeRole.SERVER)),
      outcome: outcomes,
      localAddress: addresses(1),
      remoteAddress: addresses(2),
      localPort: column(() => 32_768 + Math.floor(random() * 28_000)),
      remotePort: column((row) => [443, 5_432, 80, 6_379][row % 4] ?? 443),
      latencyUsPlusOne: column(
        (row) => 1 + Math.floor(row % SLOW_EVERY === 3 ? 20_000 + random() * 1e6 : 100 + random() * 5_000),
      ).map(BigInt),
      acceptWaitUsPlusOne: column((row) => (row % 2 ? 0 : 1 + Math.floor(random() * 500))).map(BigInt),
      srttUsPlusOne: column(() => 1 + Math.floor(100 + random() * 5_000)),
      synRetransmitsPlusOne: column((row) => (row % 2 ? 1 : 0)),
      synAckRetransmitsPlusOne: column((row) => (row % 2 ? 0 : 1)),
      clientIsnPlusOne: column(() => 1 + Math.floor(random() * 2 ** 32)).map(BigInt),
      serverIsnPlusOne: column(() => 1 + Math.floor(random() * 2 ** 32)).map(BigInt),
      netns: column((row) => 4_026_531_840 + (row % 4)),
      pid: column(() => 1 + Math.floor(random() * 30_000)),
      cgroupId: column((row) => 1_000 + (row % 12)).map(BigInt),
      processNameIndexPlusOne: column((row) => 1 + (row % PROCESS_NAMES.length)),
      containerIdIndexPlusOne: column((row) => row % (CONTAINER_IDS.length + 1)),
      sessionSetIndex: column(() => 0),
      flags: column(() => 0),
      processNames: PROCESS_NAMES,
      containerIds: CONTAINER_IDS,
      sessionSets: [{ sessionIds: [sessionId] }],
    }),
  );
}

/** Numbers in 0–1, the same at every run: a linear congruential generator with the constants of Numerical Recipes. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...bytes, rest]);
    bytes.push((rest % 128) | 0x80);
  }
}
