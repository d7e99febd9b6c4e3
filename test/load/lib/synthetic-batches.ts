import { create, toBinary } from '@bufbuild/protobuf';
import { BatchSchema } from '@synscope/protocol';
import { dnsQueryColumns } from './synthetic-dns-queries.ts';
import { handshakeColumns } from './synthetic-handshakes.ts';
import type { Draw } from './synthetic-records.ts';

/** Different enough that compression and caches have no easy time, few enough to be made in a second. */
const TEMPLATES = 64;

/** By table: the field of Batch, and what makes its columns. */
const KINDS = {
  handshake: { field: 2, columns: handshakeColumns },
  dns_query: { field: 4, columns: dnsQueryColumns },
} as const;

export type SyntheticKind = keyof typeof KINDS;
export const SYNTHETIC_KINDS = Object.keys(KINDS) as readonly SyntheticKind[];

/**
 * The columns of batches in their wire form, made once. Sending one costs only a few bytes in front of it, so that the client, which would run
 * on other machines, takes little of this one.
 */
export class SyntheticBatches {
  readonly #columns: Uint8Array[] = [];
  /** Of the columns in Batch, length-delimited. */
  readonly #tag: number;

  constructor(kind: SyntheticKind, rowsPerBatch: number, sessionId: Uint8Array) {
    const { field, columns } = KINDS[kind];
    this.#tag = field * 8 + 2;
    const nowUs = Date.now() * 1_000;
    for (let i = 0; i < TEMPLATES; i++) {
      const draw: Draw = {
        rowCount: rowsPerBatch,
        baseUs: nowUs - i * 100_000,
        random: generator(i + 1),
        sessionId,
      };
      this.#columns.push(columns(draw));
    }
  }

  /** A ConnectRequest with a batch of this number. */
  message(seq: number): Buffer {
    const columns = this.#columns[seq % TEMPLATES] ?? new Uint8Array();
    const head = toBinary(BatchSchema, create(BatchSchema, { seq: BigInt(seq) }));
    const inner = Buffer.concat([head, Uint8Array.of(this.#tag), varint(columns.length)]);
    // ConnectRequest.batch = 4, length-delimited.
    return Buffer.concat([Uint8Array.of(0x22), varint(inner.length + columns.length), inner, columns]);
  }
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
