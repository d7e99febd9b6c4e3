import type { Agent, AgentCost } from '@synscope/api-contract';
import {
  type AgentCost as AgentCostMessage,
  type ClockOffset as ClockOffsetMessage,
  type Heartbeat,
  type Hello,
  OLDEST_PROTOCOL_VERSION,
  PROTOCOL_VERSION,
  Probe,
  SessionState,
  type SessionStatus,
} from '@synscope/protocol';
import type { Arrival } from '../agents/agent-arrival.store.js';
import type { ClockOffset } from '../agents/agent-presence.store.js';
import { claimedHostname, claimedLabels, claimedText } from '../grpc/agent-claims.js';
import { GrpcStatusError } from '../grpc/grpc-status.js';
import { uuidFromBytes } from '../grpc/uuid-bytes.js';
import type { ReportedStatus } from '../trace-sessions/session-targets.js';

const MAX_CAPABILITIES = 64;
const MAX_HELD_SESSIONS = 1_024;
const MAX_HOOKS = 64;
const MAX_SENTENCE_CHARACTERS = 1_000;
/** Room for probes of later versions. */
const MAX_PROBES = 16;
/** As a smallint holds it. */
const MAX_PROBE_NUMBER = 32_767;

/** A Hello whose every field is within its bounds. */
export interface Greeting {
  readonly arrival: Omit<Arrival, 'agentId' | 'linkId' | 'publicKeyHash'>;
  readonly held: readonly ReportedStatus[];
  readonly protocolVersion: number;
}

/** Throws GrpcStatusError that names the field. */
export function readHello(hello: Hello): Greeting {
  checkProtocolVersion(hello);
  const bootId = uuidFromBytes(hello.bootId);
  if (bootId === null) throw invalid(`hello.boot_id has ${hello.bootId.length} bytes, expected 16`);
  const hostBootId = uuidFromBytes(hello.hostBootId);
  if (hostBootId === null && hello.hostBootId.length > 0) {
    throw invalid(`hello.host_boot_id has ${hello.hostBootId.length} bytes, expected 16 or none`);
  }
  if (hello.sessions.length > MAX_HELD_SESSIONS) {
    throw invalid(
      `hello.sessions has ${hello.sessions.length} entries, at most ${MAX_HELD_SESSIONS} are allowed`,
    );
  }
  return {
    arrival: {
      bootId,
      hostBootId,
      hostname: claimedHostname(hello.hostname),
      agentVersion: claimedText('hello.agent_version', hello.agentVersion, 100),
      kernel: claimedText('hello.kernel', hello.kernel, 200),
      architecture: claimedText('hello.architecture', hello.architecture, 100),
      labels: claimedLabels(hello.labels),
      capabilities: readCapabilities(hello),
    },
    protocolVersion: hello.protocolVersion,
    held: hello.sessions.map((status, index) => readStatus(`hello.sessions[${index}]`, status)),
  };
}

/** Control planes are updated first: they know the versions before their own, agents know none after theirs. */
function checkProtocolVersion({ protocolVersion, agentVersion }: Hello): void {
  const spoken = `this control plane speaks ${OLDEST_PROTOCOL_VERSION} to ${PROTOCOL_VERSION}`;
  const whose = `hello.protocol_version is ${protocolVersion} (agent ${claimedText('hello.agent_version', agentVersion, 100)}); ${spoken}`;
  if (protocolVersion < OLDEST_PROTOCOL_VERSION) {
    throw invalid(`${whose}: install a newer agent on this host`);
  }
  if (protocolVersion > PROTOCOL_VERSION) {
    throw invalid(`${whose}: update the control plane, or install an older agent on this host`);
  }
}

function readCapabilities({ capabilities }: Hello): Agent['capabilities'] {
  if (capabilities.length > MAX_CAPABILITIES) {
    throw invalid(
      `hello.capabilities has ${capabilities.length} entries, at most ${MAX_CAPABILITIES} are allowed`,
    );
  }
  return capabilities.map(({ name, available, detail }, index) => ({
    name: claimedText(`hello.capabilities[${index}].name`, name, 100),
    available,
    detail: claimedText(`hello.capabilities[${index}].detail`, detail, MAX_SENTENCE_CHARACTERS),
  }));
}

const STATES: Readonly<Record<SessionState, ReportedStatus['state'] | null>> = {
  [SessionState.UNSPECIFIED]: null,
  [SessionState.PENDING]: 'pending',
  [SessionState.RUNNING]: 'running',
  [SessionState.DONE]: 'done',
  [SessionState.FAILED]: 'failed',
};

/** `field` is what the message is called in an error. */
export function readStatus(field: string, status: SessionStatus): ReportedStatus {
  const sessionId = uuidFromBytes(status.sessionId);
  if (sessionId === null)
    throw invalid(`${field}.session_id has ${status.sessionId.length} bytes, expected 16`);
  // An enum of proto3 is open: any number may come.
  const state = STATES[status.state] ?? null;
  if (state === null) throw invalid(`${field}.state is ${status.state}, which is no state`);
  if (status.hooks.length > MAX_HOOKS) {
    throw invalid(`${field}.hooks has ${status.hooks.length} entries, at most ${MAX_HOOKS} are allowed`);
  }
  return {
    sessionId,
    state,
    error: status.error === '' ? null : claimedText(`${field}.error`, status.error, MAX_SENTENCE_CHARACTERS),
    hooks: status.hooks.map((hook, index) => claimedText(`${field}.hooks[${index}]`, hook, 100)),
    recordCounts: readRecordCounts(field, status),
  };
}

/** An agent of the first version gives the sum alone; handshakes were all that it could measure. */
function readRecordCounts(field: string, status: SessionStatus): ReportedStatus['recordCounts'] {
  if (status.recordCounts.length === 0) {
    return [{ probe: Probe.TCP_HANDSHAKE, records: safeNumber(`${field}.record_count`, status.recordCount) }];
  }
  if (status.recordCounts.length > MAX_PROBES) {
    throw invalid(
      `${field}.record_counts has ${status.recordCounts.length} entries, at most ${MAX_PROBES} are allowed`,
    );
  }
  const counts = new Map<number, number>();
  for (const [index, { probe, records }] of status.recordCounts.entries()) {
    const path = `${field}.record_counts[${index}]`;
    if (probe < 1 || probe > MAX_PROBE_NUMBER) throw invalid(`${path}.probe is ${probe}, which is no probe`);
    if (counts.has(probe)) throw invalid(`${path}.probe is ${probe}, for the second time`);
    counts.set(probe, safeNumber(`${path}.records`, records));
  }
  return [...counts].map(([probe, records]) => ({ probe, records }));
}

/** A Heartbeat whose every field is within its bounds. */
export interface ReadHeartbeat {
  readonly sentAtUs: bigint;
  readonly clockOffset: ClockOffset | null;
  readonly cost: AgentCost | null;
}

/** Throws GrpcStatusError that names the field. */
export function readHeartbeat({ sentAtUs, clockOffset, cost }: Heartbeat): ReadHeartbeat {
  return {
    sentAtUs,
    clockOffset: clockOffset === undefined ? null : readClockOffset(clockOffset),
    cost: cost === undefined ? null : readCost(cost),
  };
}

function readClockOffset({ offsetUs, uncertaintyUs }: ClockOffsetMessage): ClockOffset {
  const field = 'heartbeat.clock_offset';
  const magnitude = safeNumber(`${field}.offset_us`, offsetUs < 0n ? -offsetUs : offsetUs);
  return {
    us: offsetUs < 0n ? -magnitude : magnitude,
    uncertaintyUs: safeNumber(`${field}.uncertainty_us`, uncertaintyUs),
  };
}

/** Null is what was not measured. */
function readCost(cost: AgentCostMessage): AgentCost {
  const value = (field: string, given: bigint | undefined) =>
    given === undefined ? null : safeNumber(`heartbeat.cost.${field}`, given);
  return {
    bpfRunTimeNs: value('bpf_run_time_ns', cost.bpfRunTimeNs),
    bpfRunCount: value('bpf_run_count', cost.bpfRunCount),
    bpfSampledNs: value('bpf_sampled_ns', cost.bpfSampledNs),
    agentResidentBytes: value('agent_resident_bytes', cost.agentResidentBytes),
    probeResidentBytes: value('probe_resident_bytes', cost.probeResidentBytes),
    agentCpuUs: value('agent_cpu_us', cost.agentCpuUs),
    probeCpuUs: value('probe_cpu_us', cost.probeCpuUs),
  };
}

function safeNumber(field: string, value: bigint): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER))
    throw invalid(`${field} is ${value}, out of range`);
  return Number(value);
}

function invalid(message: string): GrpcStatusError {
  return new GrpcStatusError('INVALID_ARGUMENT', message);
}
