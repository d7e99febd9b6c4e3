import type { Migration } from '../migration.js';
import { access } from './0010-access.js';
import { audit } from './0011-audit.js';
import { idempotency } from './0012-idempotency.js';
import { auditBeforeAfter } from './0013-audit-before-after.js';
import { recordFloor } from './0014-record-floor.js';
import { certificateAuthority } from './0020-certificate-authority.js';
import { joinTokens } from './0021-join-tokens.js';
import { agents } from './0022-agents.js';
import { traceSessions } from './0023-trace-sessions.js';
import { handshakes } from './0030-handshakes.js';
import { dns } from './0031-dns.js';
import { recordCounts } from './0032-record-counts.js';
import { schedules } from './0040-schedules.js';
import { storedIn } from './0041-stored-in.js';
import { listenerSamples } from './0050-listener-samples.js';
import { handshakePairs } from './0051-handshake-pairs.js';
import { findings } from './0060-findings.js';
import { webhookEvents } from './0070-webhook-events.js';
import { webhooks } from './0071-webhooks.js';
import { thresholds } from './0072-thresholds.js';
import { clockOffsetUncertainty } from './0080-clock-offset-uncertainty.js';
import { agentIdentity } from './0081-agent-identity.js';

/** Every step of the schema; one line each. The order here does not matter, the numbers do. */
export const MIGRATIONS: readonly Migration[] = [
  access,
  audit,
  idempotency,
  auditBeforeAfter,
  recordFloor,
  certificateAuthority,
  joinTokens,
  agents,
  traceSessions,
  handshakes,
  dns,
  recordCounts,
  schedules,
  storedIn,
  listenerSamples,
  handshakePairs,
  findings,
  webhookEvents,
  clockOffsetUncertainty,
  agentIdentity,
  webhooks,
  thresholds,
];
