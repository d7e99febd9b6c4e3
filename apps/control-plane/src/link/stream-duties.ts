import type { Certificate, HeartbeatAnswer } from '@synscope/protocol';
import type { GrpcStatusError } from '../grpc/grpc-status.js';
import type { Desired, ReportedStatus } from '../trace-sessions/session-targets.js';
import type { AgentStream } from './agent-stream.js';
import type { Greeting, ReadHeartbeat } from './hello.js';

export interface Arrived {
  readonly welcome: {
    readonly agentId: Uint8Array;
    readonly heartbeatIntervalMs: number;
    readonly leaseMs: number;
    readonly serverTimeUs: bigint;
  };
  readonly desired: Desired;
  /** A process that spoke for the agent since the one of this stream did: if that one is heard again, they are two. */
  readonly rivalBootId: string | null;
}

/** Where batches go. Ingest's contract, as far as a stream needs it. */
export interface BatchSink {
  /** Resolves once there is room for another batch of whomever. */
  ready(): Promise<void>;
  /** Resolves after the commit; rejects if the batch can never be stored. A database that is away is waited for. */
  submit(batch: {
    readonly agentId: string;
    readonly bootId: string;
    readonly bytes: Uint8Array;
  }): Promise<{ readonly seq: bigint | number }>;
}

/** What a stream asks of the rest. */
export interface StreamDuties {
  readonly welcome: {
    arrive(stream: AgentStream, greeting: Greeting): Promise<Arrived>;
  };
  readonly reports: {
    alive(stream: AgentStream, heartbeat: ReadHeartbeat, isFirst: boolean): HeartbeatAnswer;
    /** Settles which of two processes keeps the agent's identity. Whether that of this stream does. */
    settle(stream: AgentStream, greeting: Greeting, rivalBootId: string): Promise<boolean>;
    /** False if the agent runs what nobody asked it for. */
    report(stream: AgentStream, status: ReportedStatus): Promise<boolean>;
    renew(stream: AgentStream, signingRequest: Uint8Array): Promise<Certificate>;
  };
  readonly batches: BatchSink;
  /** What an error means to the agent. */
  toStatus(error: unknown, stream: AgentStream): GrpcStatusError;
}
