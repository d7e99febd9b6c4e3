import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FRAME_PAYLOAD_MAX } from './constants.js';
import { FrameSplitter } from './frame-splitter.js';
import { ProbeWireError } from './probe-wire-error.js';

interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

function encode(frame: Frame): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(frame.payload.length, 0);
  header.writeUInt16LE(frame.type, 4);
  return Buffer.concat([header, frame.payload]);
}

function split(chunks: readonly Buffer[]): Frame[] {
  const frames: Frame[] = [];
  const splitter = new FrameSplitter((type, payload) => frames.push({ type, payload: Buffer.from(payload) }));
  for (const chunk of chunks) splitter.push(chunk);
  expect(splitter.atFrameBorder).toBe(true);
  return frames;
}

const frame: fc.Arbitrary<Frame> = fc.record({
  type: fc.integer({ min: 0, max: 65535 }),
  payload: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
});

describe('FrameSplitter', () => {
  it('gives the same frames wherever the chunks are cut', () => {
    fc.assert(
      fc.property(fc.array(frame), fc.array(fc.nat()), (frames, cuts) => {
        const stream = Buffer.concat(frames.map(encode));
        const borders = [0, ...cuts.map((cut) => cut % (stream.length + 1)), stream.length].sort(
          (a, b) => a - b,
        );
        const chunks = borders.slice(1).map((end, i) => stream.subarray(borders[i], end));
        expect(split(chunks)).toEqual(frames);
      }),
      { numRuns: 500 },
    );
  });

  it('gives the same frames when each byte comes alone', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 5 }), (frames) => {
        const stream = Buffer.concat(frames.map(encode));
        expect(split([...stream].map((byte) => Buffer.from([byte])))).toEqual(frames);
      }),
    );
  });

  it('hands on a frame within one chunk without copying it', () => {
    const chunk = encode({ type: 2, payload: Buffer.from('abc') });
    let seen: Buffer | undefined;
    new FrameSplitter((_type, payload) => {
      seen = payload;
    }).push(chunk);
    expect(seen?.buffer).toBe(chunk.buffer);
  });

  it('refuses a length beyond the wire’s limit', () => {
    const header = Buffer.alloc(8);
    header.writeUInt32LE(FRAME_PAYLOAD_MAX + 1, 0);
    expect(() => new FrameSplitter(() => undefined).push(header)).toThrow(ProbeWireError);
  });

  it('knows that a stream ended in the middle of a frame', () => {
    const splitter = new FrameSplitter(() => undefined);
    splitter.push(Buffer.from([3, 0, 0, 0, 2, 0, 0, 0, 1]));
    expect(splitter.atFrameBorder).toBe(false);
  });
});
