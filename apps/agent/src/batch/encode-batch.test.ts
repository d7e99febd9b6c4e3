import { DnsQueryCursor, HandshakeCursor } from '@synscope/probe-wire';
import { LossCause, Probe } from '@synscope/protocol';
import { describe, expect, it } from 'vitest';
import type { SessionSet } from '../sessions/session-set.js';
import { dnsQueriesPayload, type HandshakeValues, handshakesPayload } from '../testing/record-bytes.js';
import { append, context, decode, finish, sets, WALL_OFFSET_NS } from '../testing/record-rows.js';
import { encodeBatch } from './encode-batch.js';
import type { LossEntry } from './loss.js';
import { RecordColumns } from './record-columns.js';

describe('a batch', () => {
  it('asks for the text of a name once, whatever its letter case', () => {
    const asked: string[] = [];
    const columns = new RecordColumns(2000, {
      ...context,
      queryNameOf: (bytes, start, end) => {
        asked.push(bytes.toString('latin1', start, end));
        return 'name';
      },
    });
    const names = ['\x03www\x00', '\x03WWW\x00', '\x03wWw\x00', '\x03wwx\x00'].map((text) =>
      Buffer.from(text),
    );
    const frame = { kind: 'dns_queries', cursor: new DnsQueryCursor() } as const;
    const [set] = sets as [SessionSet];
    append(
      columns,
      frame,
      dnsQueriesPayload(
        0n,
        names.map((wire) => ({ name: wire })),
      ),
      names.map(() => set),
    );
    // Two names that the host's policy makes one are one in the batch.
    expect(finish(columns).dnsQueries).toMatchObject({ queryNames: ['name'], queryNameIndex: [0, 0, 0, 0] });
    expect(asked).toEqual(['\x03www\x00', '\x03wwx\x00']);
  });

  it('holds 2,000 records of as many different processes', () => {
    const columns = new RecordColumns(2000, context);
    const records = Array.from(
      { length: 2000 },
      (_, i): HandshakeValues => ({
        process_name: Buffer.from(`process-${i}`),
        pid: i,
        observed_ns: i * 1_000_000,
      }),
    );
    const frame = { kind: 'handshakes', cursor: new HandshakeCursor() } as const;
    const [set] = sets as [SessionSet];
    append(
      columns,
      frame,
      handshakesPayload(WALL_OFFSET_NS, records),
      records.map(() => set),
    );
    expect(columns.isFull).toBe(true);
    expect(finish(columns).handshakes?.processNames).toEqual(records.map((_, i) => `process-${i}`));
  });

  it('can carry loss alone', () => {
    const loss: LossEntry[] = [
      {
        cause: LossCause.TCP_STREAM,
        probe: 'dns',
        records: 7,
        fromUs: 1_795_000_000_000_000,
        untilUs: 1_795_000_000_500_000,
      },
    ];
    const batch = decode(encodeBatch(3, [], loss));
    expect(batch.seq).toBe(3n);
    expect(batch.handshakes).toBeUndefined();
    expect(batch.loss).toMatchObject([
      {
        cause: LossCause.TCP_STREAM,
        probe: Probe.DNS,
        records: 7n,
        fromUs: 1_795_000_000_000_000n,
        untilUs: 1_795_000_000_500_000n,
      },
    ]);
  });
});
