import { randomUUID } from 'node:crypto';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Client, type ClientDuplexStream, credentials, type StatusObject } from '@grpc/grpc-js';
import {
  type Batch,
  type Certificate,
  ConnectRequestSchema,
  type ConnectResponse,
  type DesiredSession,
  type DesiredSessions,
  grpcMethodDefinition,
  type HeartbeatAnswer,
  type Hello,
  HelloSchema,
  LinkService,
  PROTOCOL_VERSION,
  SessionState,
  type SessionStatusSchema,
  type Welcome,
} from '@synscope/protocol';
import { clientOptions, type FakeIdentity, uuidBytes, uuidText } from './enrol.js';
import { Inbox } from './inbox.js';

export interface FakeAgentOptions {
  /** `host:port` of the gRPC server. */
  readonly address: string;
  /** Null opens the stream without a client certificate. */
  readonly identity: FakeIdentity | null;
  /** The CA to trust when there is no identity. PEM. */
  readonly authority?: string;
  readonly bootId?: string;
  readonly hello?: HelloChanges;
  /** Answer DesiredSessions as an agent does that can run everything. True if left out. */
  readonly obedient?: boolean;
}

/** Fields of Hello that differ from what this agent says by itself. */
export type HelloChanges = Partial<Omit<Hello, '$typeName' | '$unknown'>>;

type Message = NonNullable<MessageInitShape<typeof ConnectRequestSchema>['message']>;

/** Bytes go over the wire as they are. */
type Outgoing = MessageInitShape<typeof ConnectRequestSchema> | Uint8Array;

/**
 * The far side of the link for tests and load: a real gRPC client over mutual TLS that speaks the protocol and measures nothing. It does
 * what it is told, and lets a test await whatever comes.
 */
export class FakeAgent {
  readonly bootId: string;
  readonly welcomes = new Inbox<Welcome>();
  readonly desired = new Inbox<DesiredSessions>();
  readonly acks = new Inbox<bigint>();
  readonly certificates = new Inbox<Certificate>();
  readonly heartbeatAnswers = new Inbox<HeartbeatAnswer>();
  /** How the stream ended. */
  readonly ended: Promise<StatusObject>;
  /** Sessions that it runs by its own word, by id. */
  readonly running = new Map<string, DesiredSession>();
  private readonly finished = new Set<string>();
  private readonly client: Client;
  private readonly call: ClientDuplexStream<Outgoing, ConnectResponse>;
  private readonly obedient: boolean;
  private revision = 0n;

  /** Opens the stream and sends nothing. */
  constructor(private readonly options: FakeAgentOptions) {
    const { identity, authority } = options;
    this.bootId = options.bootId ?? randomUUID();
    this.obedient = options.obedient ?? true;
    const roots = Buffer.from(identity?.authority ?? authority ?? '');
    this.client = new Client(
      options.address,
      identity === null
        ? credentials.createSsl(roots)
        : credentials.createSsl(roots, Buffer.from(identity.privateKey), Buffer.from(identity.certificate)),
      clientOptions(options.address),
    );
    const method = grpcMethodDefinition(LinkService.method.connect);
    this.call = this.client.makeBidiStreamRequest<Outgoing, ConnectResponse>(
      method.path,
      (message) =>
        Buffer.from(
          isBytes(message) ? message : toBinary(ConnectRequestSchema, create(ConnectRequestSchema, message)),
        ),
      method.responseDeserialize,
    );
    this.ended = new Promise((resolve) => {
      this.call.once('status', (status) => {
        this.closeInboxes(new Error(`the stream has ended with status ${status.code}: ${status.details}`));
        this.client.close();
        resolve(status);
      });
    });
    // The status says the same.
    this.call.on('error', () => {});
    this.call.on('data', (response: ConnectResponse) => this.receive(response));
  }

  /** Opens a stream, says hello, and resolves when it is welcome. Rejects with the stream's status otherwise. */
  static async connect(options: FakeAgentOptions): Promise<FakeAgent> {
    const agent = new FakeAgent(options);
    agent.hello();
    await agent.welcomes.next();
    return agent;
  }

  get identity(): FakeIdentity | null {
    return this.options.identity;
  }

  get agentId(): string {
    return this.options.identity?.agentId ?? '';
  }

  /** After `finishSending` nothing goes out any more, whatever comes in. */
  send(message: Message): void {
    if (this.call.writable) this.call.write({ message });
  }

  /** Whatever bytes, as one message of the stream. */
  sendBytes(bytes: Uint8Array): void {
    this.call.write(bytes);
  }

  hello(changes: HelloChanges = {}): void {
    const value = create(HelloSchema, {
      protocolVersion: PROTOCOL_VERSION,
      agentVersion: '0.0.0-fake',
      bootId: uuidBytes(this.bootId),
      hostname: 'fake-host',
      kernel: '6.1.0-fake',
      architecture: 'x86_64',
      capabilities: ['tcp_handshake.client', 'dns.client', 'dns.resolver', 'name_lookup'].map((name) => ({
        name,
        available: true,
        detail: '',
      })),
      ...this.options.hello,
      ...changes,
    });
    this.send({ case: 'hello', value });
  }

  heartbeat(value: Extract<Message, { case: 'heartbeat' }>['value'] = {}): void {
    this.send({ case: 'heartbeat', value: { sentAtUs: BigInt(Date.now()) * 1_000n, ...value } });
  }

  report(
    sessionId: string,
    state: SessionState,
    more: MessageInitShape<typeof SessionStatusSchema> = {},
  ): void {
    this.send({
      case: 'sessionStatus',
      value: { sessionId: uuidBytes(sessionId), state, revision: this.revision, ...more },
    });
  }

  /** Says that a session has ended here by itself; it is not taken up again. */
  finish(sessionId: string, more: MessageInitShape<typeof SessionStatusSchema> = {}): void {
    this.running.delete(sessionId);
    this.finished.add(sessionId);
    this.report(sessionId, SessionState.DONE, more);
  }

  batch(batch: Batch): void {
    this.send({ case: 'batch', value: batch });
  }

  /** Half-closes the stream: nothing more will be sent. */
  finishSending(): void {
    this.call.end();
  }

  /** As when the host vanishes: no goodbye. */
  async disconnect(): Promise<void> {
    this.call.cancel();
    await this.ended;
  }

  private receive({ message }: ConnectResponse): void {
    switch (message.case) {
      case 'welcome':
        this.welcomes.push(message.value);
        return;
      case 'desiredSessions':
        this.obey(message.value);
        this.desired.push(message.value);
        return;
      case 'ack':
        this.acks.push(message.value.seq);
        return;
      case 'certificate':
        this.certificates.push(message.value);
        return;
      case 'heartbeatAnswer':
        this.heartbeatAnswers.push(message.value);
        return;
      case undefined:
        return;
    }
  }

  private obey({ revision, sessions }: DesiredSessions): void {
    if (revision < this.revision) return;
    this.revision = revision;
    if (!this.obedient) return;
    const wanted = new Map(sessions.map((session) => [uuidText(session.sessionId), session]));
    for (const [id, session] of wanted) {
      if (this.running.has(id) || this.finished.has(id)) continue;
      this.running.set(id, session);
      this.report(id, SessionState.RUNNING, { hooks: ['fake'] });
    }
    for (const id of [...this.running.keys()]) {
      if (!wanted.has(id)) this.finish(id);
    }
  }

  private closeInboxes(reason: Error): void {
    this.welcomes.close(reason);
    this.desired.close(reason);
    this.acks.close(reason);
    this.certificates.close(reason);
    this.heartbeatAnswers.close(reason);
  }
}

function isBytes(message: Outgoing): message is Uint8Array {
  return message instanceof Uint8Array;
}
