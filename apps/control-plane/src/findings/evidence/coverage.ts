import { BlockList, isIPv4 } from 'node:net';
import type { TraceSessionSpec } from '@synscope/api-contract';
import { Probe } from '@synscope/protocol';

/** What has to be traced completely before its silence says anything. */
export type Silence =
  | { readonly of: 'listener'; readonly port: number; readonly processName: string | null }
  | { readonly of: 'resolver'; readonly address: string; readonly port: number };

/** A session on an agent, as far as it is known to run. */
interface TracedSpan {
  readonly fromUs: number;
  untilUs: number;
  readonly spec: TraceSessionSpec;
}

/** How long after its end a session is remembered. Microseconds. */
const KEPT_US = 180_000_000;
/** Between the moment that an agent reports a session as running and the looks at which sessions run. Microseconds. */
const SLACK_US = 1_500_000;

/**
 * Which hosts are traced so that what left no record did not happen: a session that leaves nothing out, and no record lost on the way. Without
 * that, a record that is not there proves nothing.
 */
export class Coverage {
  private readonly spans = new Map<string, Map<string, TracedSpan>>();
  /** `agent|probe` of those that lost records of late; without a probe, of any. */
  private losers: ReadonlySet<string> = new Set();

  /** What runs now. */
  seen(
    nowUs: number,
    running: readonly {
      readonly agentId: string;
      readonly sessionId: string;
      readonly startedUs: number;
      /** Null if it runs. */
      readonly endedUs: number | null;
      readonly spec: TraceSessionSpec;
    }[],
    losers: ReadonlySet<string>,
  ): void {
    this.losers = losers;
    for (const { agentId, sessionId, startedUs, endedUs, spec } of running) {
      const untilUs = endedUs ?? nowUs;
      const spans = this.spans.get(agentId) ?? new Map<string, TracedSpan>();
      this.spans.set(agentId, spans);
      const span = spans.get(sessionId);
      if (span) span.untilUs = untilUs;
      else spans.set(sessionId, { fromUs: startedUs, untilUs, spec });
    }
  }

  /** Forgets what is over. */
  prune(nowUs: number): void {
    for (const [agentId, spans] of this.spans) {
      for (const [sessionId, { untilUs }] of spans) if (untilUs < nowUs - KEPT_US) spans.delete(sessionId);
      if (spans.size === 0) this.spans.delete(agentId);
    }
  }

  /** Whether one session left nothing of it out from the one moment to the other. */
  covers(agentId: string, silence: Silence, fromUs: number, untilUs: number): boolean {
    const probe = silence.of === 'listener' ? Probe.LISTENER : Probe.DNS;
    if (this.losers.has(`${agentId}|${probe}`) || this.losers.has(`${agentId}|`)) return false;
    return [...(this.spans.get(agentId)?.values() ?? [])].some(
      (span) =>
        span.fromUs <= fromUs &&
        span.untilUs + SLACK_US >= untilUs &&
        (silence.of === 'listener' ? seesListener(span.spec, silence) : seesResolver(span.spec, silence)),
    );
  }
}

function seesListener(
  { probes, filter }: TraceSessionSpec,
  { port, processName }: Extract<Silence, { of: 'listener' }>,
): boolean {
  return (
    probes.includes('listener') && allows(filter.processNames, processName) && allows(filter.localPorts, port)
  );
}

function seesResolver(
  { probes, filter, sampleRate }: TraceSessionSpec,
  { address, port }: Extract<Silence, { of: 'resolver' }>,
): boolean {
  const narrowed = [
    filter.processNames,
    filter.queryNames,
    filter.queryNameSuffixes,
    filter.queryTypes,
    filter.responseCodes,
    filter.dnsOutcomes,
  ];
  return (
    probes.includes('dns') &&
    sampleRate === 1 &&
    filter.minLatencyMs === 0 &&
    narrowed.every((values) => values.length === 0) &&
    allows(filter.dnsSides, 'resolver') &&
    allows(filter.dnsPorts, port) &&
    (filter.dnsServers.length === 0 || filter.dnsServers.some((prefix) => contains(prefix, address)))
  );
}

/** An empty list allows everything. */
function allows<T>(values: readonly T[], value: T | null): boolean {
  return values.length === 0 || (value !== null && values.includes(value));
}

function contains(prefix: string, address: string): boolean {
  const family = isIPv4(address) ? 'ipv4' : 'ipv6';
  const [network = '', length] = prefix.split('/');
  if (isIPv4(network) !== isIPv4(address)) return false;
  const list = new BlockList();
  if (length === undefined) list.addAddress(network, family);
  else list.addSubnet(network, Number(length), family);
  return list.check(address, family);
}
