/** The control plane itself will not send there; the message says why, and which setting would allow it. */
export class OutboundRefusedError extends Error {
  override readonly name = 'OutboundRefusedError';
}
