import fc from 'fast-check';
import { stringify } from 'uuid';
import { type CommonRecord, ipv4 } from './record-columns.js';

/** The longest latency that ingest takes. */
export const LONGEST_US = 86_400_000_000;

/** From 0, with the ends more often than by chance. */
export function whole(maximum: number): fc.Arbitrary<number> {
  return fc.oneof(fc.constantFrom(0, 1, maximum), fc.integer({ min: 0, max: maximum }));
}

export function nullable(maximum: number): fc.Arbitrary<number | null> {
  return fc.option(whole(maximum), { nil: null });
}

/** 0 means null on the wire. */
export function positiveOrNull(maximum: number): fc.Arbitrary<number | null> {
  return nullable(maximum).map((value) => value || null);
}

const bytes16 = fc.uint8Array({ minLength: 16, maxLength: 16 });

export const addressArbitrary = fc.oneof(
  bytes16,
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => ipv4(bytes.join('.'))),
);

/** Text that Postgres can store, of at most 255 bytes. */
const textArbitrary = fc
  .string({ unit: 'binary', maxLength: 60 })
  .map((text) => text.replaceAll('\0', '') || 'x');

/** Of all printable ASCII, from `first` on. */
export function printableArbitrary(first: ' ' | '!', maximumLength: number): fc.Arbitrary<string> {
  const lowest = first.charCodeAt(0);
  const character = fc.integer({ min: lowest, max: 0x7e }).map((code) => String.fromCharCode(code));
  const text = (maxLength: number) => fc.string({ unit: character, minLength: 1, maxLength });
  return fc.oneof(
    { weight: 9, arbitrary: text(60) },
    { weight: 1, arbitrary: character.map((one) => one.repeat(maximumLength)) },
  );
}

/** What every kind of record tells, over the whole of what the contract allows, observed from `fromUs` to `untilUs`. */
export function commonArbitraries(
  fromUs: number,
  untilUs: number,
): { [key in keyof CommonRecord]: fc.Arbitrary<CommonRecord[key]> } {
  return {
    observedAtUs: fc.integer({ min: fromUs, max: untilUs }),
    netns: positiveOrNull(2 ** 32 - 1),
    pid: positiveOrNull(4_194_304),
    cgroupId: positiveOrNull(Number.MAX_SAFE_INTEGER),
    processName: fc.option(textArbitrary, { nil: null }),
    containerId: fc.option(textArbitrary, { nil: null }),
    sessionIds: fc.array(bytes16.map(uuidOf), { minLength: 1, maxLength: 3 }),
  };
}

/** A valid UUID from random bytes. */
function uuidOf(bytes: Uint8Array): string {
  const version7 = Uint8Array.from(bytes);
  version7[6] = ((version7[6] ?? 0) & 0x0f) | 0x70;
  version7[8] = ((version7[8] ?? 0) & 0x3f) | 0x80;
  return stringify(version7);
}
