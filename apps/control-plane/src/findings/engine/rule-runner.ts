import { Injectable } from '@nestjs/common';
import type { FindingCode } from '@synscope/api-contract';
import type { Arrivals } from '../evidence/evidence-reader.js';
import type { Memory } from '../evidence/memory.js';
import type { ListenerSample } from '../evidence/records.js';
import { Situations } from '../evidence/situations.js';
import { RULES } from '../rules/index.js';
import type { CodedVerdict, Rule, Verdict } from '../rules/rule.js';

export interface RuleError {
  readonly code: FindingCode;
  readonly error: unknown;
}

export interface Judgement {
  readonly verdicts: readonly CodedVerdict[];
  /** Rules that failed. What they would have said of a record, a later one may say. */
  readonly errors: readonly RuleError[];
}

/** Asks the rules. */
@Injectable()
export class RuleRunner {
  /** Tests put others in. */
  rules: readonly Rule[] = RULES;

  constructor(private readonly situations: Situations) {}

  /** About all that arrived in a page of batches, with what is known by now. */
  judge(arrivals: Arrivals, memory: Memory): Promise<Judgement> {
    return new Judge(this.rules, this.situations).judge(arrivals, memory);
  }
}

/** One page of arrivals before the rules. */
class Judge {
  private readonly verdicts: CodedVerdict[] = [];
  private readonly errors: RuleError[] = [];

  constructor(
    private readonly rules: readonly Rule[],
    private readonly situations: Situations,
  ) {}

  async judge(arrivals: Arrivals, memory: Memory): Promise<Judgement> {
    for (const sample of arrivals.samples)
      this.askEach((rule) => rule.onListener?.({ listener: viewOf(sample) }) ?? null);
    for (const drop of arrivals.drops) this.askEach((rule) => rule.onDrop?.({ drop }) ?? null);
    for (const situation of await this.situations.ofHandshakes(arrivals.handshakes, memory))
      this.askInTurn((rule) => rule.onHandshake?.(situation) ?? null);
    for (const situation of await this.situations.ofQueries(arrivals.queries, memory))
      this.askInTurn((rule) => rule.onQuery?.(situation) ?? null);
    return { verdicts: this.verdicts, errors: this.errors };
  }

  private askEach(question: (rule: Rule) => Verdict | null): void {
    for (const rule of this.rules) this.ask(rule, question);
  }

  private askInTurn(question: (rule: Rule) => Verdict | null): void {
    for (const rule of this.rules) if (this.ask(rule, question)) return;
  }

  private ask(rule: Rule, question: (rule: Rule) => Verdict | null): boolean {
    try {
      const verdict = question(rule);
      if (verdict === null) return false;
      this.verdicts.push({ ...verdict, code: rule.code });
      return true;
    } catch (error) {
      this.errors.push({ code: rule.code, error });
      return false;
    }
  }
}

/** A single sample as a rule sees a listener. */
function viewOf(sample: ListenerSample) {
  const { agentId, netns, address, port, processName } = sample;
  return {
    agentId,
    netns,
    address,
    port,
    processName,
    samples: [sample],
    refusedAcceptQueueFull: sample.refusedAcceptQueueFull,
    refusedSynQueueFull: sample.refusedSynQueueFull,
    refusedUnexplained: sample.refusedUnexplained,
    answeredByCookie: sample.answeredByCookie,
    acksDropped: sample.acksDroppedAcceptQueueFull + sample.acksDroppedOnCookiePath,
    acceptQueuePeak: sample.acceptQueuePeak,
  };
}
