/** `Hello.protocol_version` as this code speaks it. What each version added: docs/protocol.md. */
export const PROTOCOL_VERSION = 3;

/** The control plane serves agents of its own version and of the two before it. */
export const OLDEST_PROTOCOL_VERSION = Math.max(1, PROTOCOL_VERSION - 2);
