import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Probe, SessionState, SessionStatusSchema } from '@synscope/protocol';
import { describe, expect, it } from 'vitest';
import { readStatus } from './hello.js';

const read = (status: MessageInitShape<typeof SessionStatusSchema>) =>
  readStatus(
    'session_status',
    create(SessionStatusSchema, { sessionId: new Uint8Array(16), state: SessionState.RUNNING, ...status }),
  ).recordCounts;

describe('the counts in the status of a session', () => {
  it('are those by probe, if there are any', () => {
    const recordCounts = [
      { probe: Probe.DNS, records: 3n },
      { probe: 7, records: 4n },
    ];
    expect(read({ recordCount: 7n, recordCounts })).toEqual([
      { probe: Probe.DNS, records: 3 },
      { probe: 7, records: 4 },
    ]);
  });

  it('are of handshakes in the status of an agent that gives their sum alone', () => {
    expect(read({ recordCount: 7n })).toEqual([{ probe: Probe.TCP_HANDSHAKE, records: 7 }]);
  });

  it.each([
    [[{ probe: 0, records: 1n }], /record_counts\[0\]\.probe is 0, which is no probe/],
    [[{ probe: 40_000, records: 1n }], /probe is 40000/],
    [
      [
        { probe: 2, records: 1n },
        { probe: 2, records: 1n },
      ],
      /record_counts\[1\]\.probe is 2, for the second time/,
    ],
    [[{ probe: 2, records: 2n ** 60n }], /record_counts\[0\]\.records is 1152921504606846976, out of range/],
    [Array.from({ length: 17 }, (_, index) => ({ probe: index + 1 })), /has 17 entries, at most 16/],
  ])('are refused with the field that is wrong (%#)', (recordCounts, reason) => {
    expect(() => read({ recordCounts })).toThrow(reason);
  });
});
