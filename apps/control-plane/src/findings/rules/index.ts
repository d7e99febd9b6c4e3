import { acceptQueueFull } from './accept-queue-full.js';
import { ackDroppedByFullQueue } from './ack-dropped-by-full-queue.js';
import { ackLost } from './ack-lost.js';
import { applicationGaveUp } from './application-gave-up.js';
import { dnsLostOnPath } from './dns-lost-on-path.js';
import { filtered } from './filtered.js';
import { nameSlow } from './name-slow.js';
import { portClosed } from './port-closed.js';
import { resolverOverloaded } from './resolver-overloaded.js';
import { resolverSlowUpstream } from './resolver-slow-upstream.js';
import type { Rule } from './rule.js';
import { slowAccept } from './slow-accept.js';
import { synCookiesActive } from './syn-cookies-active.js';
import { synLostOnPath } from './syn-lost-on-path.js';
import { synQueueFull } from './syn-queue-full.js';
import { synAckLost } from './synack-lost.js';
import { unexplained } from './unexplained.js';

/**
 * In the order in which they are asked about a record; the first that answers has explained it. What a host says of itself (its queues) comes
 * before what is concluded from its silence, and what nobody explains comes last.
 */
export const RULES: readonly Rule[] = [
  portClosed,
  ackDroppedByFullQueue,
  acceptQueueFull,
  synQueueFull,
  synCookiesActive,
  slowAccept,
  synLostOnPath,
  synAckLost,
  ackLost,
  filtered,
  applicationGaveUp,
  resolverOverloaded,
  resolverSlowUpstream,
  dnsLostOnPath,
  nameSlow,
  unexplained,
];
