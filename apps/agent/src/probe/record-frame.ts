import {
  DnsQueryCursor,
  FrameType,
  HandshakeCursor,
  ListenerCursor,
  NameLookupCursor,
  type ProbeName,
  ReceiveQueueDropCursor,
} from '@synscope/probe-wire';

/** The records of one frame by their kind. The cursor is valid only during the call that hands it on. */
export type RecordFrame =
  | { readonly kind: 'handshakes'; readonly cursor: HandshakeCursor }
  | { readonly kind: 'dns_queries'; readonly cursor: DnsQueryCursor }
  | { readonly kind: 'name_lookups'; readonly cursor: NameLookupCursor }
  | { readonly kind: 'receive_queue_drops'; readonly cursor: ReceiveQueueDropCursor }
  | { readonly kind: 'listeners'; readonly cursor: ListenerCursor };

/**
 * The probe whose records these are, as far as records are counted (what was offered = what is stored + what was lost). Undefined: they
 * only tell about the host, and no count and no cap has them.
 */
export const COUNTED_AS: Readonly<Record<RecordFrame['kind'], ProbeName | undefined>> = {
  handshakes: 'tcp_handshake',
  dns_queries: 'dns',
  name_lookups: 'name_lookup',
  receive_queue_drops: undefined,
  listeners: 'listener',
};

/** One cursor per kind, for all frames of a probe. */
export class RecordFrameReader {
  private readonly frames: ReadonlyMap<number, RecordFrame> = new Map<number, RecordFrame>([
    [FrameType.handshakes, { kind: 'handshakes', cursor: new HandshakeCursor() }],
    [FrameType.dnsQueries, { kind: 'dns_queries', cursor: new DnsQueryCursor() }],
    [FrameType.nameLookups, { kind: 'name_lookups', cursor: new NameLookupCursor() }],
    [FrameType.receiveQueueDrops, { kind: 'receive_queue_drops', cursor: new ReceiveQueueDropCursor() }],
    [FrameType.listeners, { kind: 'listeners', cursor: new ListenerCursor() }],
  ]);

  /** Undefined if frames of this type hold no records. Throws ProbeWireError. */
  read(type: number, payload: Buffer): RecordFrame | undefined {
    const frame = this.frames.get(type);
    frame?.cursor.reset(payload);
    return frame;
  }
}
