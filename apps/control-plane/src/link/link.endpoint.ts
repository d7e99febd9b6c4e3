import { setTimeout } from 'node:timers/promises';
import type { BeforeApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { Injectable } from '@nestjs/common';
import { grpcServiceDefinition, LinkService as LinkDescription } from '@synscope/protocol';
import { agentOf } from '../certificate-authority/certificates.js';
import { GrpcServer } from '../grpc/grpc-server.js';
import { GrpcStatusError } from '../grpc/grpc-status.js';
import { AgentArrivals } from './agent-arrivals.js';
import { type AgentCall, AgentStream } from './agent-stream.js';
import { readConnectMessage } from './connect-message.js';
import { LinkDuties } from './link-duties.js';
import { StreamRegistry } from './stream-registry.js';

/** How long a shutdown waits until the ends of the streams are written. */
const PATIENCE_MS = 2_000;

const SHUTTING_DOWN = 'the control plane is shutting down; reconnect';

/** synscope.agent.v1.LinkService on the wire. */
@Injectable()
export class LinkEndpoint implements OnModuleInit, BeforeApplicationShutdown {
  private readonly serving = new Set<Promise<void>>();
  private shuttingDown = false;

  constructor(
    private readonly server: GrpcServer,
    private readonly streams: StreamRegistry,
    private readonly arrivals: AgentArrivals,
    private readonly duties: LinkDuties,
  ) {}

  onModuleInit(): void {
    const { connect, ...others } = grpcServiceDefinition(LinkDescription);
    if (connect === undefined) throw new Error('LinkService has no Connect');
    this.server.register({
      definition: { ...others, connect: { ...connect, requestDeserialize: readConnectMessage } },
      implementation: { connect: (call: AgentCall) => this.connected(call) },
      drain: () => this.drain(),
    });
  }

  /** The database is still there: what the ends of the streams change is written. */
  async beforeApplicationShutdown(): Promise<void> {
    this.drain();
    // One that waits for a database that is away would wait for ever.
    const patience = setTimeout(PATIENCE_MS, undefined, { ref: false });
    await Promise.race([Promise.all(this.serving), patience]);
  }

  private drain(): void {
    this.shuttingDown = true;
    for (const stream of this.streams.all()) stream.end(new GrpcStatusError('UNAVAILABLE', SHUTTING_DOWN));
  }

  private connected(call: AgentCall): void {
    // Empty unless the certificate was verified against our authority.
    const certificate = call.getAuthContext().sslPeerCertificate;
    const agent = certificate === undefined ? null : agentOf(certificate.raw);
    if (certificate === undefined || agent === null) {
      call.emit(
        'error',
        new GrpcStatusError(
          'UNAUTHENTICATED',
          'a client certificate of this control plane is needed; enrol with a join token to get one',
        ),
      );
      return;
    }
    if (this.shuttingDown) {
      call.emit('error', new GrpcStatusError('UNAVAILABLE', SHUTTING_DOWN));
      return;
    }
    const stream = new AgentStream(call, agent, Date.parse(certificate.valid_to), this.duties);
    const served = this.serve(stream).finally(() => this.serving.delete(served));
    this.serving.add(served);
  }

  private async serve(stream: AgentStream): Promise<void> {
    this.streams.opened(stream);
    const reason = await stream.run();
    if (this.streams.closed(stream)) await this.arrivals.leave(stream, reason);
  }
}
