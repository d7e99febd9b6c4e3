import type {
  FindingAdvice,
  FindingCode,
  FindingRecordKind,
  FindingSeverity,
  FindingSubjectKind,
} from '@synscope/api-contract';
import type { DropSituation, HandshakeSituation, ListenerSituation, QuerySituation } from './situation.js';

/** What a finding is about. Which one it is, among those of its code, is `key`. */
export interface Subject {
  readonly key: string;
  readonly kind: FindingSubjectKind;
  readonly agentId: string | null;
  readonly address: string | null;
  readonly port: number | null;
  readonly name: string | null;
  readonly netns: number | null;
}

/** One thing that was seen. Of several verdicts on a subject, those with the same text are put together. */
export interface Observation {
  readonly observation: string;
  readonly value: number | string;
  /** What becomes of the values of several verdicts. */
  readonly combine: 'sum' | 'max' | 'latest';
  readonly records: readonly { readonly kind: FindingRecordKind; readonly id: string }[];
}

/** Whom it hurt: what one verdict adds to a finding. */
export interface Harm {
  /** Addresses of clients. */
  readonly clients: readonly string[];
  /** Agents that saw it. */
  readonly hosts: readonly string[];
  readonly handshakes: number;
  readonly addedLatencyUs: number;
}

export const NO_HARM: Harm = { clients: [], hosts: [], handshakes: 0, addedLatencyUs: 0 };

/** What a rule has found. */
export interface Verdict {
  readonly subject: Subject;
  readonly severity: FindingSeverity;
  readonly title: string;
  readonly evidence: readonly Observation[];
  readonly advice: readonly FindingAdvice[];
  readonly harm: Harm;
}

export interface CodedVerdict extends Verdict {
  readonly code: FindingCode;
}

/** What every rule says of itself; GET /finding-rules and docs/findings.md show it. */
interface RuleDescription {
  readonly code: FindingCode;
  readonly looksFor: string;
  /** The evidence that it needs, all of it. */
  readonly needs: readonly string[];
  readonly wouldBeRefutedBy: string;
}

/**
 * A rule looks at one thing at a time and answers null where it has nothing to say. Of rules on records (a slow or failed handshake, a slow or
 * lost query) the first in the order of rules/index.ts that answers has explained the record. Rules on what hosts report by themselves
 * (listeners, receive queues) are each asked.
 */
export interface Rule extends RuleDescription {
  readonly onHandshake?: (situation: HandshakeSituation) => Verdict | null;
  readonly onListener?: (situation: ListenerSituation) => Verdict | null;
  readonly onQuery?: (situation: QuerySituation) => Verdict | null;
  readonly onDrop?: (situation: DropSituation) => Verdict | null;
}
