import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type DesiredSession, DesiredSessionSchema, Probe } from '@synscope/protocol';

/** A session of handshakes with everything kept; its id is 16 times `id`. */
export function desiredSession(
  id: number,
  change: MessageInitShape<typeof DesiredSessionSchema> = {},
): DesiredSession {
  return create(DesiredSessionSchema, {
    sessionId: Buffer.alloc(16, id),
    probes: [Probe.TCP_HANDSHAKE],
    sampleRate: 1,
    ...change,
  });
}
