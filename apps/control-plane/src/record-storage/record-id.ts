import { createHash } from 'node:crypto';

/**
 * Ids of records are UUIDv7 (RFC 9562 §5.7) made from the record itself, so that a batch that is written again gives the same ids, ids
 * order like observed_at, and an id tells the microsecond at which its row is to be looked for:
 *
 *   48 bits  observed_at, milliseconds since the Unix epoch
 *    4 bits  version 7
 *   12 bits  microseconds within that millisecond (rand_a)
 *    2 bits  variant
 *   50 bits  hash of agent, boot and batch
 *   12 bits  row within the batch, 0–4095
 */
export interface BatchHash {
  /** Variant and the first 30 bits of the hash. */
  readonly high: number;
  /** The other 20 bits, where the row is added below. */
  readonly low: number;
}

export function hashOfBatch(agentId: Uint8Array, bootId: Uint8Array, seq: number): BatchHash {
  const digest = createHash('sha256').update(agentId).update(bootId).update(String(seq)).digest();
  return {
    high: ((digest.readUInt32BE(0) >>> 2) | 0x80000000) >>> 0,
    low: (digest.readUInt32BE(4) & 0xfffff000) >>> 0,
  };
}

/** Microseconds since the Unix epoch of the record with this id; null if it is not an id of a record. */
export function observedAtOfRecordId(id: string): number | null {
  const hex = id.replaceAll('-', '');
  if (!/^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/i.test(hex)) return null;
  const withinMillisecond = Number.parseInt(hex.slice(13, 16), 16);
  return withinMillisecond < 1_000 ? Number.parseInt(hex.slice(0, 12), 16) * 1_000 + withinMillisecond : null;
}

/** The first and the last id that a record observed at this microsecond can have. */
export function recordIdRange(observedAtUs: number): { first: string; last: string } {
  const milliseconds = Math.floor(observedAtUs / 1_000);
  const time = milliseconds.toString(16).padStart(12, '0');
  const within = (observedAtUs - milliseconds * 1_000).toString(16).padStart(3, '0');
  const prefix = `${time.slice(0, 8)}-${time.slice(8)}-7${within}`;
  return { first: `${prefix}-8000-000000000000`, last: `${prefix}-bfff-ffffffffffff` };
}
