import {
  type Finding,
  type FindingAdvice,
  type FindingCode,
  type FindingRecord,
  type FindingSeverity,
  type FindingState,
  type FindingSubjectKind,
  formatDate,
  formatMicroseconds,
} from '@synscope/api-contract';
import { observedAtOfRecordId } from '../record-storage/record-id.js';
import { RULES } from './rules/index.js';
import type { Observation } from './rules/rule.js';

export interface FindingRow {
  readonly id: string;
  readonly code: FindingCode;
  readonly subjectKey: string;
  readonly subjectKind: FindingSubjectKind;
  readonly agentId: string | null;
  readonly hostname: string | null;
  readonly address: string | null;
  readonly port: number | null;
  readonly name: string | null;
  /** bigint */
  readonly netns: string | null;
  readonly severity: FindingSeverity;
  readonly state: FindingState;
  readonly title: string;
  readonly firstSeenAt: Date;
  readonly openedAt: Date;
  readonly lastSeenAt: Date;
  readonly acknowledgedAt: Date | null;
  readonly resolvedAt: Date | null;
  readonly occurrences: number;
  readonly clients: string[];
  readonly hosts: string[];
  /** bigint, like the next. */
  readonly handshakes: string;
  readonly addedLatencyUs: string;
  readonly evidence: Observation[];
  readonly advice: FindingAdvice[];
  readonly announcedAt: Date;
  readonly announcedHandshakes: string;
}

/** Columns of `finding` under the names of {@link FindingRow}. */
export const FINDING_COLUMNS = `id, code, subject_key AS "subjectKey", subject_kind AS "subjectKind", agent_id AS "agentId",
  (SELECT hostname FROM agent WHERE agent.id = finding.agent_id) AS hostname, host(address) AS address, port, name, netns, severity, state,
  title, first_seen_at AS "firstSeenAt", opened_at AS "openedAt", last_seen_at AS "lastSeenAt", acknowledged_at AS "acknowledgedAt",
  resolved_at AS "resolvedAt", occurrences, clients, hosts, handshakes, added_latency_us AS "addedLatencyUs", evidence, advice,
  announced_at AS "announcedAt", announced_handshakes AS "announcedHandshakes"`;

const REFUTATIONS = new Map(RULES.map(({ code, wouldBeRefutedBy }) => [code, wouldBeRefutedBy]));

export function toFinding(row: FindingRow): Finding {
  return {
    id: row.id,
    code: row.code,
    severity: row.severity,
    state: row.state,
    title: row.title,
    subject: {
      kind: row.subjectKind,
      agentId: row.agentId,
      hostname: row.hostname,
      address: row.address,
      port: row.port,
      name: row.name,
      netns: row.netns === null ? null : Number(row.netns),
    },
    firstSeenAt: formatDate(row.firstSeenAt),
    openedAt: formatDate(row.openedAt),
    lastSeenAt: formatDate(row.lastSeenAt),
    acknowledgedAt: row.acknowledgedAt && formatDate(row.acknowledgedAt),
    resolvedAt: row.resolvedAt && formatDate(row.resolvedAt),
    occurrences: row.occurrences,
    impact: {
      clients: row.clients.length,
      hosts: row.hosts.length,
      handshakes: Number(row.handshakes),
      addedLatencyUs: Number(row.addedLatencyUs),
    },
    evidence: toEvidence(row.evidence),
    wouldBeRefutedBy: REFUTATIONS.get(row.code) ?? '',
    advice: row.advice,
  };
}

export function toEvidence(observations: readonly Observation[]): Finding['evidence'] {
  return observations.map(({ observation, value, records }) => ({
    observation,
    value,
    records: records.map(({ kind, id }) => ({ kind, id, href: hrefOf(kind, id) })),
  }));
}

const LISTS: Readonly<Record<FindingRecord['kind'], string>> = {
  handshake: 'handshakes',
  dns_query: 'dns-queries',
  listener_sample: 'listener-samples',
  receive_queue_drop: 'receive-queue-drops',
};

/** Drops have no address of their own: the list is asked for the microsecond of that one. */
function hrefOf(kind: FindingRecord['kind'], id: string): string {
  const path = `/api/v1/${LISTS[kind]}`;
  if (kind !== 'receive_queue_drop') return `${path}/${id}`;
  const atUs = BigInt(observedAtOfRecordId(id) ?? 0);
  return `${path}?since=${formatMicroseconds(atUs)}&until=${formatMicroseconds(atUs + 1n)}`;
}
