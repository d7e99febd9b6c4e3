import { create, toBinary } from '@bufbuild/protobuf';
import { BatchSchema, ConnectRequestSchema, HeartbeatSchema } from '@synscope/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readConnectMessage } from './connect-message.js';

describe('a message on the link', () => {
  it('hands on the bytes of a batch as they came, whatever its size', () => {
    for (const paddingBytes of [0, 100, 200, 20_000, 3_000_000]) {
      const batch = create(BatchSchema, {
        seq: 7n,
        handshakes: { processNames: ['x'.repeat(paddingBytes)] },
      });
      const bytes = toBinary(
        ConnectRequestSchema,
        create(ConnectRequestSchema, { message: { case: 'batch', value: batch } }),
      );
      const message = readConnectMessage(bytes);
      expect(message.case).toBe('batch');
      expect(
        Buffer.compare(message.case === 'batch' ? message.value : Buffer.of(), toBinary(BatchSchema, batch)),
      ).toBe(0);
    }
  });

  it('decodes everything else', () => {
    const value = create(HeartbeatSchema, { sentAtUs: 5n });
    const bytes = toBinary(
      ConnectRequestSchema,
      create(ConnectRequestSchema, { message: { case: 'heartbeat', value } }),
    );
    expect(readConnectMessage(bytes)).toMatchObject({ case: 'heartbeat', value: { sentAtUs: 5n } });
  });

  it('says what is wrong with bytes that are no message', () => {
    expect(readConnectMessage(new Uint8Array())).toMatchObject({
      case: 'malformed',
      reason: expect.stringContaining('without'),
    });
    expect(readConnectMessage(Uint8Array.of(0x0a, 0xff))).toMatchObject({ case: 'malformed' });
    expect(readConnectMessage(Uint8Array.of(0x22, 0x05, 0x01))).toMatchObject({ case: 'malformed' });
    expect(readConnectMessage(Uint8Array.of(0x22, 0x00, 0x22, 0x00))).toMatchObject({
      case: 'malformed',
      reason: 'a batch must be the only field of its ConnectRequest',
    });
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(readConnectMessage(bytes).case).toBeTypeOf('string');
        expect(readConnectMessage(Uint8Array.of(0x22, ...bytes)).case).toBeTypeOf('string');
      }),
    );
  });
});
