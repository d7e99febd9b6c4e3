import { createSecretKey, randomBytes } from 'node:crypto';
import os from 'node:os';
import { create } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import type { ProbeHello } from '@synscope/probe-wire';
import {
  AgentCostSchema,
  CapabilitySchema,
  type Heartbeat,
  HeartbeatSchema,
  type Hello,
  HelloSchema,
  PROTOCOL_VERSION,
} from '@synscope/protocol';
import { AgentError } from './agent-error.js';
import { Batcher } from './batch/batcher.js';
import { MemoryBatchBuffer } from './batch/memory-batch-buffer.js';
import { type Clock, systemClock } from './clock.js';
import type { Configuration } from './configuration/configuration.js';
import { CgroupContainers } from './container/cgroup-containers.js';
import { DataDirectory } from './data-directory.js';
import { hostBootId } from './host-boot-id.js';
import { IdentityKeeper } from './identity/identity-keeper.js';
import { IdentityStore } from './identity/identity-store.js';
import { ServerAddresses } from './identity/server-addresses.js';
import { ClockOffsetEstimator } from './link/clock-offset-estimator.js';
import { Link } from './link/link.js';
import type { Log } from './log.js';
import { ownNameKey } from './names/name-key.js';
import { lookupNameLabels, queryNameLabels } from './names/name-labels.js';
import { type NamePolicy, namePolicyDetail, reportedName } from './names/name-policy.js';
import { ProcessNames } from './names/process-names.js';
import { namePolicyOf } from './names/query-names-setting.js';
import { NetnsCounterReader } from './netns/netns-counter-reader.js';
import { underPolicy } from './policy/policy-capabilities.js';
import { PolicyFile } from './policy/policy-file.js';
import { ProbeSupervisor } from './probe/probe-supervisor.js';
import { RecordIntake } from './sessions/record-intake.js';
import { SessionTable } from './sessions/session-table.js';
import { AGENT_VERSION } from './version.js';

/** How long the first Hello waits for the probe to say what it can; milliseconds. */
const PROBE_HELLO_MAX_MS = 5_000;
/** Bounds of the orderly end: the probe's confirmation, then the last acknowledgement; milliseconds. */
const DETACH_MAX_MS = 3_000;
const LAST_ACK_MAX_MS = 3_000;

/** What is reported as unavailable as long as the probe cannot say it. */
const CAPABILITY_NAMES = [
  'tcp_handshake.client',
  'tcp_handshake.server',
  'tcp_handshake.accept_wait',
  'dns.client',
  'dns.resolver',
  'dns.late_after_close',
  'dns.receive_queue_drops',
  'listener.samples',
  'listener.refused_syns',
  'listener.dropped_acks',
  'name_lookup',
];

type Capability = ProbeHello['capabilities'][number];

/** The agent: probe → sessions → batches → link, put together. */
export class Agent {
  /** Settles when the agent has ended by itself, with the reason. */
  readonly failure: Promise<AgentError>;
  private fail: (error: AgentError) => void = () => undefined;

  private readonly bootId = randomBytes(16);
  private readonly buffer: MemoryBatchBuffer;
  private readonly batcher: Batcher;
  private readonly sessions: SessionTable;
  private readonly intake: RecordIntake;
  /** What leaves this host of the names that its processes look up. */
  private readonly names: NamePolicy;
  private readonly policy: PolicyFile;
  private readonly probe: ProbeSupervisor;
  private readonly identity: IdentityKeeper;
  private readonly link: Link;
  private readonly clockOffset: ClockOffsetEstimator;
  private capabilities: readonly Capability[] | undefined;
  private reportedCapabilities = '';
  /** Once is enough: the reason comes again with every attempt. */
  private refusalSaid = false;
  private probeAnswered: () => void = () => undefined;
  private detached: () => void = () => undefined;
  private drained: () => void = () => undefined;

  constructor(
    private readonly configuration: Configuration,
    private readonly log: Log,
    private readonly clock: Clock = systemClock,
  ) {
    this.failure = new Promise((resolve) => {
      this.fail = resolve;
    });
    const { token, labels } = configuration;
    const servers = new ServerAddresses(configuration.servers);
    this.buffer = new MemoryBatchBuffer(configuration.bufferBytes);
    const directory = new DataDirectory(configuration.dataDir);
    this.names = namePolicyOf(configuration.queryNames, directory);
    this.policy = new PolicyFile(configuration.policyFile, log);
    this.batcher = new Batcher(
      this.buffer,
      clock,
      {
        containerOf: new CgroupContainers(clock).containerOf,
        queryNameOf: (bytes, start, end) => reportedName(this.names, queryNameLabels(bytes, start, end)),
        lookupNameOf: (bytes, start, end) => reportedName(this.names, lookupNameLabels(bytes, start, end)),
        netnsCountersOf: new NetnsCounterReader(clock).risen,
      },
      () => this.link.pump(),
    );
    this.sessions = new SessionTable(
      {
        configure: (revision, slots) => this.probe.configure(revision, slots),
        report: (status) => this.link.report(status),
        flush: () => {
          this.batcher.flush();
          return this.buffer.nextSeq - 1;
        },
        hostPolicy: () => this.policy.current(),
        acknowledgedThrough: () => this.buffer.acknowledgedThrough,
      },
      this.names,
      clock,
      log,
    );
    const processNames = new ProcessNames(
      () => this.policy.latest.processNames ?? 'full',
      () => createSecretKey(ownNameKey(directory)),
    );
    this.intake = new RecordIntake(this.sessions, this.batcher, processNames, log);
    this.probe = new ProbeSupervisor(configuration.probe, this.probeEvents(), clock, log);
    this.identity = new IdentityKeeper(
      { servers, token, labels, hostname: os.hostname() },
      new IdentityStore(directory),
      clock,
      log,
    );
    this.clockOffset = new ClockOffsetEstimator(clock);
    this.link = new Link(servers, this.buffer, this.linkEvents(), clock, log);
  }

  /** Returns once the probe has answered, or not in time; the link is on its way then. Throws AgentError if it can never get there. */
  async start(): Promise<void> {
    const probeAnswered = new Promise<void>((resolve) => {
      this.probeAnswered = resolve;
    });
    // First, because it throws if the agent is not enrolled and cannot be.
    await this.identity.credentials();
    this.probe.start();
    await this.within(PROBE_HELLO_MAX_MS, probeAnswered);
    this.link.start();
  }

  /** Sessions off, what was gathered sent, probe ended; each within a bound. */
  async stop(): Promise<void> {
    const detached = new Promise<void>((resolve) => {
      this.detached = resolve;
    });
    if (this.sessions.runningCount > 0 && this.probe.pid !== undefined) {
      this.sessions.suspendAll();
      await this.within(DETACH_MAX_MS, detached);
    }
    await this.probe.stop();
    this.batcher.flush();
    const drained = new Promise<void>((resolve) => {
      this.drained = resolve;
    });
    if (!this.allAcknowledged() && this.link.isOpen) await this.within(LAST_ACK_MAX_MS, drained);
    if (!this.allAcknowledged()) {
      this.log.warn(
        { batches: this.buffer.nextSeq - 1 - this.buffer.acknowledgedThrough },
        'ended with unsent batches',
      );
    }
    this.link.close();
    this.identity.stop();
  }

  /** Reads the policy of the host again and ends what it no longer allows. */
  reloadPolicy(): void {
    this.policy.current();
    this.sessions.policyChanged();
    this.link.reconnect('the policy of this host may have changed');
  }

  private probeEvents(): ConstructorParameters<typeof ProbeSupervisor>[1] {
    return {
      up: (hello) => {
        this.capabilities = hello.capabilities;
        this.probeAnswered();
        this.sessions.probeUp();
        this.announceCapabilities();
      },
      down: (reason) => {
        this.sessions.probeDown(reason);
        this.detached();
      },
      unavailable: (reason) => {
        this.capabilities = unavailable(reason);
        this.probeAnswered();
        this.sessions.probeUnavailable(reason);
        this.announceCapabilities();
        this.detached();
      },
      records: (frame) => this.intake.take(frame),
      configured: (configured) => {
        this.sessions.configured(configured);
        if (!configured.attached) this.detached();
      },
      loss: (entry) => this.batcher.addLoss(entry),
    };
  }

  private linkEvents(): ConstructorParameters<typeof Link>[2] {
    return {
      credentials: () => this.identity.credentials(),
      hello: () => this.hello(),
      heartbeatDue: () => this.sessions.reportNewRecords(),
      heartbeat: () => this.heartbeat(),
      heartbeatAnswered: (answer) => {
        this.clockOffset.answered(answer);
        if (answer.renewCertificate)
          this.identity.renewNow((request) => this.link.requestCertificate(request));
      },
      welcome: (welcome) => {
        this.identity.welcomed();
        this.sessions.connected(Number(welcome.serverTimeUs));
        this.identity.watchRenewal((request) => this.link.requestCertificate(request));
      },
      desired: (desired) => this.sessions.apply(desired),
      acknowledged: () => {
        this.sessions.acknowledged();
        if (this.allAcknowledged()) this.drained();
      },
      certificate: (certificate) => {
        if (this.identity.renewed(certificate)) this.link.reconnect('a new certificate came');
      },
      leaseExpired: () => this.sessions.suspendAll(),
      refused: ({ code, details }) => this.refused(code, details),
      failed: (error) => this.fail(asAgentError(error)),
    };
  }

  private hello(): Hello {
    const capabilities = this.capabilities ?? unavailable('the probe has not answered yet');
    this.reportedCapabilities = JSON.stringify(capabilities);
    return create(HelloSchema, {
      protocolVersion: PROTOCOL_VERSION,
      agentVersion: AGENT_VERSION,
      bootId: this.bootId,
      hostBootId: hostBootId(),
      hostname: os.hostname(),
      kernel: os.release(),
      architecture: os.machine(),
      labels: { ...this.configuration.labels },
      capabilities: [...underPolicy(this.policy, capabilities), this.queryNames()].map((capability) =>
        create(CapabilitySchema, capability),
      ),
      sessions: this.sessions.statuses(),
    });
  }

  /** No measurement: that people see what names they will find, and why. */
  private queryNames(): Capability {
    return { name: 'query_names', available: true, detail: namePolicyDetail(this.names) };
  }

  private heartbeat(): Heartbeat {
    const stats = this.probe.lastStats;
    const cpu = process.cpuUsage();
    const clockOffset = this.clockOffset.estimate();
    return create(HeartbeatSchema, {
      ...(clockOffset && { clockOffset }),
      cost: create(AgentCostSchema, {
        agentResidentBytes: BigInt(process.memoryUsage.rss()),
        agentCpuUs: BigInt(cpu.user + cpu.system),
        ...(stats && {
          probeResidentBytes: BigInt(stats.residentBytes),
          probeCpuUs: BigInt(Math.round(stats.cpuUs)),
          bpfRunTimeNs: measured(stats.bpf.runTimeNs),
          bpfRunCount: measured(stats.bpf.runCount),
          bpfSampledNs: measured(stats.bpf.sampledNs),
        }),
      }),
      // Last, so that nothing of the above is part of the round trip.
      sentAtUs: this.clockOffset.sent(),
    });
  }

  /** Capabilities travel in Hello alone: a probe that can more or less than was said takes a new stream. */
  private announceCapabilities(): void {
    if (JSON.stringify(this.capabilities) !== this.reportedCapabilities) {
      this.link.reconnect('what the probe can measure has changed');
    }
  }

  private refused(code: status, details: string): void {
    const { dataDir } = this.configuration;
    switch (code) {
      case status.PERMISSION_DENIED:
        this.end(
          new AgentError(
            'revoked',
            `the control plane has revoked this agent (${details}): to let the host in again, remove ${dataDir} and enrol it with a new --token`,
          ),
        );
        return;
      case status.FAILED_PRECONDITION:
        this.end(new AgentError('copied', details));
        return;
      case status.ALREADY_EXISTS:
        if (this.identity.startAnew()) {
          this.log.warn(
            { reason: details },
            'this host has the identity of another agent: enrolling as a new one',
          );
        } else {
          this.end(
            new AgentError(
              'copied',
              `${details}. To let this host in as an agent of its own, remove ${dataDir} and enrol it with a --token`,
            ),
          );
        }
        return;
      default:
        if (this.identity.rejected() || this.refusalSaid) return;
        this.refusalSaid = true;
        this.log.error(
          { reason: details },
          'the control plane does not take this certificate: start the agent once with a join token',
        );
    }
  }

  private end(error: AgentError): void {
    this.link.close();
    this.fail(error);
  }

  private allAcknowledged(): boolean {
    return this.buffer.acknowledgedThrough === this.buffer.nextSeq - 1;
  }

  private async within(milliseconds: number, event: Promise<void>): Promise<void> {
    let cancel = () => {};
    const bound = new Promise<void>((resolve) => {
      const timer = this.clock.after(milliseconds, resolve);
      cancel = () => timer.cancel();
    });
    await Promise.race([event, bound]);
    cancel();
  }
}

function unavailable(reason: string): Capability[] {
  return CAPABILITY_NAMES.map((name) => ({ name, available: false, detail: reason }));
}

function measured(value: number | null): bigint | undefined {
  return value === null ? undefined : BigInt(Math.round(value));
}

function asAgentError(error: unknown): AgentError {
  return error instanceof AgentError
    ? error
    : new AgentError('enrolment_refused', `unexpected: ${(error as Error).message}`);
}
