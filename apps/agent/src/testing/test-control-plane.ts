import { randomBytes, X509Certificate } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import {
  experimental,
  Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import {
  type Batch,
  type Certificate,
  CertificateSchema,
  type ConnectRequest,
  type ConnectResponse,
  ConnectResponseSchema,
  type DesiredSession,
  EnrolmentService,
  type EnrolRequest,
  type EnrolResponse,
  EnrolResponseSchema,
  grpcServiceDefinition,
  type Heartbeat,
  type Hello,
  LinkService,
  type SessionStatus,
} from '@synscope/protocol';
import { EventQueue } from './event-queue.js';
import { TestAuthority, type Validity, validFor } from './test-authority.js';

type Call = ServerDuplexStream<ConnectRequest, ConnectResponse>;
type Response = ConnectResponse['message'];

/** One stream of an agent, its Hello read. */
export class AgentStream {
  readonly batches = new EventQueue<Batch>();
  readonly statuses = new EventQueue<SessionStatus>();
  readonly heartbeats = new EventQueue<Heartbeat>();
  readonly signingRequests = new EventQueue<Uint8Array>();
  readonly ended: Promise<void>;
  /** SubjectPublicKeyInfo (DER) of the certificate that the stream was opened with. */
  readonly publicKey: Buffer;
  /** Acknowledges each batch as it comes. */
  acknowledging = true;

  constructor(
    readonly hello: Hello,
    private readonly call: Call,
    private readonly clockOffsetUs: number,
  ) {
    this.publicKey = publicKeyOf(call);
    this.ended = new Promise((resolve) => {
      call.once('end', resolve);
      call.once('close', resolve);
    });
  }

  send(message: Response): void {
    this.call.write(create(ConnectResponseSchema, { message }));
  }

  desire(revision: bigint, sessions: readonly DesiredSession[]): void {
    this.send({
      case: 'desiredSessions',
      value: { $typeName: 'synscope.agent.v1.DesiredSessions', revision, sessions: [...sessions] },
    });
  }

  acknowledge(seq: bigint): void {
    this.send({ case: 'ack', value: { $typeName: 'synscope.agent.v1.Ack', seq } });
  }

  fail(code: status, details: string): void {
    this.call.emit('error', { code, details });
  }

  /** Reads nothing more until `resume`. */
  pause(): void {
    this.call.pause();
  }

  resume(): void {
    this.call.resume();
  }

  private answer({ sentAtUs }: Heartbeat): void {
    const nowUs = BigInt(Date.now() * 1000 + this.clockOffsetUs);
    this.send({
      case: 'heartbeatAnswer',
      value: {
        $typeName: 'synscope.agent.v1.HeartbeatAnswer',
        sentAtUs,
        receivedAtUs: nowUs,
        answeredAtUs: nowUs,
        // Milliseconds, cut off.
        uncertaintyUs: 1_000n,
        renewCertificate: false,
      },
    });
  }

  received({ message }: ConnectRequest): void {
    switch (message.case) {
      case 'batch':
        this.batches.push(message.value);
        if (this.acknowledging) this.acknowledge(message.value.seq);
        break;
      case 'sessionStatus':
        this.statuses.push(message.value);
        break;
      case 'heartbeat':
        this.heartbeats.push(message.value);
        this.answer(message.value);
        break;
      case 'certificateSigningRequest':
        this.signingRequests.push(message.value);
        break;
    }
  }
}

function publicKeyOf(call: Call): Buffer {
  const certificate = call.getAuthContext().sslPeerCertificate;
  return new X509Certificate(certificate?.raw ?? '').publicKey.export({ type: 'spki', format: 'der' });
}

export interface WelcomeTerms {
  heartbeatIntervalMs: number;
  leaseMs: number;
  maxUnackedBatches: number;
  /** The server's clock minus this machine's, microseconds. */
  clockOffsetUs: number;
}

/** The far side of the link: the services of the agent protocol over real mTLS, with a test deciding what they answer. */
export class TestControlPlane {
  readonly streams = new EventQueue<AgentStream>();
  readonly enrolments = new EventQueue<EnrolRequest>();
  readonly agentId = randomBytes(16);
  readonly terms: WelcomeTerms = {
    heartbeatIntervalMs: 60_000,
    leaseMs: 600_000,
    maxUnackedBatches: 16,
    clockOffsetUs: 0,
  };
  /** How a next enrolment is refused. */
  refuseEnrolment: { code: status; details: string } | undefined;
  /** Whether the next Hello is answered. */
  welcoming = true;
  agentValidity: Validity = validFor(24 * 3_600_000);
  port = 0;

  private server: Server | undefined;

  private constructor(readonly authority: TestAuthority) {}

  static async start(authority?: TestAuthority): Promise<TestControlPlane> {
    const plane = new TestControlPlane(authority ?? (await TestAuthority.create()));
    await plane.listen();
    return plane;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** On the port that it had before, if it had one. */
  async listen(): Promise<void> {
    const server = new Server();
    server.addService(grpcServiceDefinition(EnrolmentService), {
      enrol: (call: ServerUnaryCall<EnrolRequest, EnrolResponse>, respond: sendUnaryData<EnrolResponse>) =>
        void this.enrol(call.request, respond),
    });
    server.addService(grpcServiceDefinition(LinkService), { connect: (call: Call) => this.connected(call) });
    const provider = new FixedCertificates(await this.authority.server(), this.authority);
    // A client certificate is asked for, not demanded: enrolment comes without.
    const credentials = experimental.createCertificateProviderServerCredentials(provider, provider, false);
    this.port = await new Promise((resolve, reject) => {
      server.bindAsync(this.address, credentials, (error, port) => (error ? reject(error) : resolve(port)));
    });
    this.server = server;
  }

  /** At once, streams included. */
  stop(): void {
    this.server?.forceShutdown();
    this.server = undefined;
  }

  /** The next stream that an agent opens. */
  nextStream(): Promise<AgentStream> {
    return this.streams.next();
  }

  async certificateFor(request: Uint8Array): Promise<Certificate> {
    return create(CertificateSchema, {
      leaf: await this.authority.agent(request, this.agentValidity),
      certificateAuthorities: [this.authority.der],
      notAfterUs: BigInt(this.agentValidity.notAfter.getTime()) * 1000n,
    });
  }

  private async enrol(request: EnrolRequest, respond: sendUnaryData<EnrolResponse>): Promise<void> {
    this.enrolments.push(request);
    if (this.refuseEnrolment !== undefined) {
      respond(this.refuseEnrolment);
      return;
    }
    const certificate = await this.certificateFor(request.certificateSigningRequest);
    respond(null, create(EnrolResponseSchema, { agentId: this.agentId, certificate }));
  }

  private connected(call: Call): void {
    call.on('error', () => undefined);
    if (call.getAuthContext().sslPeerCertificate === undefined) {
      call.emit('error', { code: status.UNAUTHENTICATED, details: 'no certificate of this control plane' });
      return;
    }
    let stream: AgentStream | undefined;
    call.on('data', (request: ConnectRequest) => {
      if (stream !== undefined) {
        stream.received(request);
      } else if (request.message.case === 'hello') {
        stream = new AgentStream(request.message.value, call, this.terms.clockOffsetUs);
        if (this.welcoming) this.welcome(stream);
        this.streams.push(stream);
      }
    });
    call.on('end', () => call.end());
  }

  private welcome(stream: AgentStream): void {
    const { clockOffsetUs, ...terms } = this.terms;
    stream.send({
      case: 'welcome',
      value: {
        $typeName: 'synscope.agent.v1.Welcome',
        agentId: this.agentId,
        serverTimeUs: BigInt(Date.now() * 1000 + clockOffsetUs),
        ...terms,
      },
    });
  }
}

type CaListener = Parameters<experimental.CertificateProvider['addCaCertificateListener']>[0];
type IdentityListener = Parameters<experimental.CertificateProvider['addIdentityCertificateListener']>[0];

/** grpc-js listens for updates only after it has added the listener: what is told within the call is not heard. */
class FixedCertificates implements experimental.CertificateProvider {
  constructor(
    private readonly identity: { certificate: Buffer; privateKey: Buffer },
    private readonly authority: TestAuthority,
  ) {}

  addCaCertificateListener(listener: CaListener): void {
    queueMicrotask(() =>
      listener({ caCertificate: Buffer.from(this.authority.certificate.toString('pem')) }),
    );
  }
  removeCaCertificateListener(): void {}
  addIdentityCertificateListener(listener: IdentityListener): void {
    queueMicrotask(() => listener(this.identity));
  }
  removeIdentityCertificateListener(): void {}
}
