/**
 * What counts as slow. A handshake does when a packet of it was sent again, or when it failed: what is merely far away is not slow. The kernel
 * sends a SYN or SYN-ACK again after a second, far above what a network or a busy host adds by itself.
 */

/** An application that gave up sooner was not kept waiting: browsers race connections and drop the losers (RFC 8305 waits 250 ms). Microseconds. */
export const SHORTEST_PATIENCE_US = 300_000;

/** From here on a connection waits for accept() rather than for its turn on a busy CPU. Microseconds. */
export const SLOW_ACCEPT_US = 200_000;
/** One such wait can happen; this many within {@link ACCEPT_WINDOW_US} do not by chance … */
export const SLOW_ACCEPTS = 3;
export const ACCEPT_WINDOW_US = 30_000_000;
/** … and one this long is enough. Microseconds. */
export const LONG_ACCEPT_US = 1_000_000;

/** A DNS answer that took longer is slow, if others by the same server are not: names that are not cached take some time everywhere. Microseconds. */
export const SLOW_ANSWER_US = 200_000;
/** A name is slow when this many of its answers within a minute were, and these are most of them: a name that is looked up afresh is slow once. */
export const SLOW_ANSWERS = 2;
/** Of the answers for a slow name, the least share that is slow; of those for other names, the largest. */
export const SLOW_SHARE = 0.6;
export const SLOW_SHARE_OF_OTHERS = 0.3;

/** Of SYNs that an application waited for before it gave up: from here on it was patient, and what it waited for is the cause. */
export const PATIENT_SYN_RETRANSMITS = 3;
