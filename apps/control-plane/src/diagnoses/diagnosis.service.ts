import { isIP } from 'node:net';
import { Injectable } from '@nestjs/common';
import {
  type Diagnosis,
  type DiagnosisRequest,
  formatMicroseconds,
  readDomainName,
  resolveTime,
} from '@synscope/api-contract';
import { invalidField } from '../errors/api-error.js';
import { groupVerdicts, type VerdictGroup } from '../findings/engine/merge.js';
import { RuleRunner } from '../findings/engine/rule-runner.js';
import { CoverageStore } from '../findings/evidence/coverage.store.js';
import type { Arrivals } from '../findings/evidence/evidence-reader.js';
import { Memory } from '../findings/evidence/memory.js';
import { toEvidence } from '../findings/finding-row.js';
import { RULES } from '../findings/rules/index.js';
import { type DiagnosisScope, DiagnosisStore } from './diagnosis.store.js';

const LONGEST_US = 24 * 3_600_000_000;
const SAMPLES_PER_LISTENER = 20_000;
/** Hosts whose clock is ahead by no more are part of it. Microseconds. */
const AHEAD_US = 5 * 60_000_000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

type BreakdownItem = Diagnosis['breakdown'][number];

/** Asks the rules about one way, of what is stored now. */
@Injectable()
export class DiagnosisService {
  constructor(
    private readonly store: DiagnosisStore,
    private readonly coverage: CoverageStore,
    private readonly rules: RuleRunner,
  ) {}

  async diagnose(request: DiagnosisRequest): Promise<Diagnosis> {
    const scope = await this.scopeOf(request);
    const arrivals = await this.store.read(scope);
    const records = await this.store.count(scope);
    const memory = new Memory(SAMPLES_PER_LISTENER);
    memory.coverage.seen(
      scope.untilUs,
      await this.coverage.since(scope.sinceUs),
      await this.coverage.losers(scope.untilUs),
    );
    memory.add(arrivals);
    const { verdicts } = await this.rules.judge(arrivals, memory);
    const groups = [...groupVerdicts(verdicts).values()].filter((group) => isAbout(group, scope));
    return this.answer(request, scope, arrivals, records, groups);
  }

  private async answer(
    request: DiagnosisRequest,
    scope: DiagnosisScope,
    arrivals: Arrivals,
    records: number,
    groups: readonly VerdictGroup[],
  ): Promise<Diagnosis> {
    const breakdown = breakdownOf(groups);
    const [first] = breakdown;
    const main = first ? groups.filter(({ code }) => code === first.code).sort(byHarm)[0] : undefined;
    const common = {
      since: formatMicroseconds(BigInt(scope.sinceUs)),
      until: formatMicroseconds(BigInt(scope.untilUs - AHEAD_US)),
      examined: { records, slowOrFailed: arrivals.handshakes.length + arrivals.queries.length },
      breakdown,
      missing: missingOf(arrivals, records, scope),
    };
    if (!main) {
      const code = records === 0 ? 'no_data' : 'nothing_slow';
      const title =
        records === 0
          ? `Nothing was recorded of ${request.destination} since then`
          : `${records} records of ${request.destination}, none of them slow or failed`;
      return { ...common, code, title, subject: null, evidence: [], wouldBeRefutedBy: null, advice: [] };
    }
    const { key: _, ...subject } = main.subject;
    const hostname = subject.agentId === null ? null : await this.store.hostnameOf(subject.agentId);
    return {
      ...common,
      code: main.code,
      title: main.title,
      subject: { ...subject, hostname },
      evidence: toEvidence(main.evidence),
      wouldBeRefutedBy: RULES.find(({ code }) => code === main.code)?.wouldBeRefutedBy ?? null,
      advice: [...main.advice],
    };
  }

  private async scopeOf({ source, destination, since }: DiagnosisRequest): Promise<DiagnosisScope> {
    const nowUs = Date.now() * 1_000;
    const sinceUs = Number(resolveTime(since, nowUs / 1_000) ?? 0n);
    if (sinceUs < nowUs - LONGEST_US - 1_000_000)
      throw invalidField('since', 'at most 24 hours ago; use findings for longer');
    if (sinceUs >= nowUs) throw invalidField('since', 'must be in the past');
    return {
      source: source === null ? null : await this.sourceOf(source),
      destination: destinationOf(destination),
      sinceUs,
      untilUs: nowUs + AHEAD_US,
    };
  }

  private async sourceOf(source: string): Promise<NonNullable<DiagnosisScope['source']>> {
    if (isIP(source) !== 0) return { address: source };
    if (UUID.test(source)) return { agentIds: [source.toLowerCase()] };
    const agentIds = await this.store.agentIdsOf(source);
    if (agentIds.length === 0)
      throw invalidField(
        'source',
        'is no address, and no agent has it as id or hostname; `synscope agents` lists them',
      );
    return { agentIds };
  }
}

function destinationOf(text: string): DiagnosisScope['destination'] {
  if (isIP(text) !== 0) return { address: text, port: null };
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const [address, port] = [match?.[1] ?? match?.[2] ?? '', Number(match?.[3])];
  if (match && isIP(address) !== 0) {
    if (port < 1 || port > 65_535) throw invalidField('destination', 'expected a port from 1 to 65535');
    return { address, port };
  }
  if (match) throw invalidField('destination', 'a port needs an address before it, such as 192.0.2.7:443');
  const reading = readDomainName(text);
  if ('error' in reading)
    throw invalidField(
      'destination',
      'expected an address, an address and port such as 192.0.2.7:443 or [2001:db8::7]:443, or a domain name',
    );
  return { name: reading.name };
}

/** Samples of listeners for all addresses come along, whoever they served: theirs counts if something of this way is explained by it. */
function isAbout({ subject, harm }: VerdictGroup, { destination }: DiagnosisScope): boolean {
  if ('name' in destination) return harm.handshakes > 0;
  const own =
    subject.address === destination.address &&
    (destination.port === null || subject.port === destination.port);
  return own || harm.handshakes > 0;
}

function byHarm(left: VerdictGroup, right: VerdictGroup): number {
  return right.harm.handshakes - left.harm.handshakes;
}

/** Most handshakes first; what is unexplained comes last where anything is explained. */
function breakdownOf(groups: readonly VerdictGroup[]): BreakdownItem[] {
  const items = new Map<string, BreakdownItem>();
  for (const { code, harm } of groups) {
    const { handshakes = 0, addedLatencyUs = 0 } = items.get(code) ?? {};
    items.set(code, {
      code,
      handshakes: handshakes + harm.handshakes,
      addedLatencyUs: addedLatencyUs + harm.addedLatencyUs,
    });
  }
  const rank = ({ code, handshakes }: BreakdownItem) => (code === 'unexplained' ? -1 : handshakes);
  return [...items.values()].sort((left, right) => rank(right) - rank(left));
}

function missingOf(arrivals: Arrivals, records: number, { destination }: DiagnosisScope): string[] {
  const { handshakes, activities, samples, queries, questions } = arrivals;
  const dns = 'name' in destination || queries.length > 0 || questions.length > 0;
  const tcp = 'address' in destination && (!dns || handshakes.length > 0 || activities.length > 0);
  const missing: string[] = [];
  if (records === 0) missing.push('no session has recorded anything of it: start one, or look further back');
  if (tcp) {
    if (!activities.some(({ role }) => role === 'client')) missing.push('the client’s side is not traced');
    if (!activities.some(({ role }) => role === 'server')) missing.push('the server’s side is not traced');
    const servers = new Set(activities.filter(({ role }) => role === 'server').map(({ agentId }) => agentId));
    const listeners = samples.filter(
      ({ address, agentId }) =>
        ('address' in destination && address === destination.address) || servers.has(agentId),
    );
    if (listeners.length === 0) missing.push('the server’s listeners are not traced (probe listener)');
  }
  if (dns) {
    if (!questions.some(({ side }) => side === 'client')) missing.push('the DNS client’s side is not traced');
    if (!questions.some(({ side }) => side === 'resolver')) missing.push('the resolver’s side is not traced');
  }
  return missing;
}
