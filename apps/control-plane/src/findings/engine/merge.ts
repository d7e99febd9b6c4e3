import type { FindingAdvice, FindingCode, FindingSeverity } from '@synscope/api-contract';
import { FINDING_SEVERITIES } from '@synscope/api-contract';
import { LINKED_RECORDS } from '../rules/observe.js';
import type { CodedVerdict, Harm, Observation, Subject } from '../rules/rule.js';

/** Clients and hosts of one finding that are kept apart. */
export const MOST_APART = 1_000;
/** Observations of one finding; what comes beyond is left out. */
const MOST_OBSERVATIONS = 24;

/** Verdicts on one subject, put together. */
export interface VerdictGroup {
  readonly code: FindingCode;
  readonly subject: Subject;
  readonly severity: FindingSeverity;
  readonly title: string;
  readonly evidence: readonly Observation[];
  readonly advice: readonly FindingAdvice[];
  readonly harm: Harm;
}

export function groupKey({
  code,
  subject,
}: {
  readonly code: FindingCode;
  readonly subject: Pick<Subject, 'key'>;
}): string {
  return `${code}|${subject.key}`;
}

/** In the order in which they were reached. */
export function groupVerdicts(verdicts: readonly CodedVerdict[]): ReadonlyMap<string, VerdictGroup> {
  const groups = new Map<string, VerdictGroup>();
  for (const verdict of verdicts) {
    const key = groupKey(verdict);
    const group = groups.get(key);
    groups.set(key, group ? mergeGroups(group, verdict) : verdict);
  }
  return groups;
}

export function mergeGroups(earlier: VerdictGroup, later: VerdictGroup): VerdictGroup {
  const severity = worse(earlier.severity, later.severity);
  return {
    ...later,
    // What is worst is what the title is about.
    title: severity === later.severity ? later.title : earlier.title,
    severity,
    subject: { ...later.subject, name: later.subject.name ?? earlier.subject.name },
    evidence: mergeEvidence(earlier.evidence, later.evidence),
    advice: later.advice,
    harm: mergeHarm(earlier.harm, later.harm),
  };
}

export function worse(left: FindingSeverity, right: FindingSeverity): FindingSeverity {
  return FINDING_SEVERITIES.indexOf(left) >= FINDING_SEVERITIES.indexOf(right) ? left : right;
}

export function mergeEvidence(
  earlier: readonly Observation[],
  later: readonly Observation[],
): readonly Observation[] {
  const merged = new Map(earlier.map((observation) => [observation.observation, observation]));
  for (const observation of later) {
    const known = merged.get(observation.observation);
    if (known) merged.set(observation.observation, combine(known, observation));
    else if (merged.size < MOST_OBSERVATIONS) merged.set(observation.observation, observation);
  }
  return [...merged.values()];
}

function combine(earlier: Observation, later: Observation): Observation {
  const records = distinctById([...earlier.records, ...later.records]);
  if (later.combine === 'max') {
    const [least, most] = Number(earlier.value) > Number(later.value) ? [later, earlier] : [earlier, later];
    return { ...most, records: most.records.length > 0 ? most.records : least.records };
  }
  const value = later.combine === 'sum' ? Number(earlier.value) + Number(later.value) : later.value;
  return { ...later, value, records: records.slice(-LINKED_RECORDS) };
}

function distinctById<T extends { readonly id: string }>(items: readonly T[]): T[] {
  return [...new Map(items.map((item) => [item.id, item])).values()];
}

export function mergeHarm(earlier: Harm, later: Harm): Harm {
  return {
    clients: union(earlier.clients, later.clients),
    hosts: union(earlier.hosts, later.hosts),
    handshakes: earlier.handshakes + later.handshakes,
    addedLatencyUs: earlier.addedLatencyUs + later.addedLatencyUs,
  };
}

function union(earlier: readonly string[], later: readonly string[]): readonly string[] {
  if (later.every((item) => earlier.includes(item))) return earlier;
  return [...new Set([...earlier, ...later])].slice(0, MOST_APART);
}
