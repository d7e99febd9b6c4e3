/** The bytes are not what bpf/probe_wire.h says; whoever read them must end the connection to that probe. */
export class ProbeWireError extends Error {
  override readonly name = 'ProbeWireError';
}
