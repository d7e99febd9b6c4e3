import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, type ClientDuplexStream, credentials, type ServiceError, status } from '@grpc/grpc-js';
import {
  type ConnectRequest,
  ConnectRequestSchema,
  type ConnectResponse,
  ConnectResponseSchema,
  grpcMethodDefinition,
  LinkService,
} from '@synscope/protocol';
import { grpcTarget, type ServerAddress } from '../identity/server-address.js';
import { channelOptions, PINNED_CA_ONLY } from './channel.js';

/** PEM texts. */
export interface LinkCredentials {
  readonly certificateAuthorities: readonly string[];
  readonly certificate: string;
  readonly privateKey: string;
}

/** `code` is a gRPC status; `details` a text for people. */
export interface StreamEnd {
  readonly code: status;
  readonly details: string;
}

export interface StreamListener {
  message(message: ConnectResponse['message']): void;
  /** What was written has gone; there is room for more. */
  writable(): void;
  /** Once, last. */
  ended(end: StreamEnd): void;
}

type ControlMessage = Exclude<ConnectRequest['message'], { case: 'batch' } | { case: undefined }>;

/** One stream to the control plane on a connection of its own. */
export class LinkStream {
  private readonly client: Client;
  private readonly call: ClientDuplexStream<Buffer, ConnectResponse>;
  private readonly waiting: Buffer[] = [];
  private blocked = false;
  private over = false;

  constructor(
    server: ServerAddress,
    { certificateAuthorities, certificate, privateKey }: LinkCredentials,
    private readonly listener: StreamListener,
  ) {
    this.client = new Client(
      grpcTarget(server),
      credentials.createSsl(
        Buffer.from(certificateAuthorities.join('\n')),
        Buffer.from(privateKey),
        Buffer.from(certificate),
        PINNED_CA_ONLY,
      ),
      channelOptions(server),
    );
    this.call = this.client.makeBidiStreamRequest(
      grpcMethodDefinition(LinkService.method.connect).path,
      // Messages are encoded before they get here: batches straight from the probe's bytes.
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => fromBinary(ConnectResponseSchema, bytes),
    );
    this.call.on('data', (response: ConnectResponse) => {
      if (!this.over) listener.message(response.message);
    });
    this.call.on('drain', () => this.drained());
    this.call.on('error', (error: ServiceError) => this.end({ code: error.code, details: error.details }));
    this.call.on('end', () => this.end({ code: status.OK, details: 'the control plane ended the stream' }));
  }

  /** False while what was written has not gone: a batch must wait for `writable`. */
  get isWritable(): boolean {
    return !this.blocked && !this.over;
  }

  /** Sent in order, also ahead of batches if the stream is blocked. */
  send(message: ControlMessage): void {
    const bytes = toBinary(ConnectRequestSchema, create(ConnectRequestSchema, { message }));
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.blocked) this.waiting.push(buffer);
    else this.write(buffer);
  }

  /** An encoded ConnectRequest; only while `isWritable`. */
  sendEncoded(bytes: Buffer): void {
    this.write(bytes);
  }

  /** Ends it at once and tells the listener. */
  cancel(details: string): void {
    this.end({ code: status.CANCELLED, details });
  }

  /** Half-closes, so that the control plane sees an orderly end; tells nobody. */
  close(): void {
    if (this.over) return;
    this.over = true;
    this.call.end();
    this.client.close();
  }

  private write(bytes: Buffer): void {
    if (!this.over && !this.call.write(bytes)) this.blocked = true;
  }

  private drained(): void {
    this.blocked = false;
    while (!this.blocked) {
      const next = this.waiting.shift();
      if (next === undefined) break;
      this.write(next);
    }
    if (this.isWritable) this.listener.writable();
  }

  private end(end: StreamEnd): void {
    if (this.over) return;
    this.over = true;
    this.call.cancel();
    this.client.close();
    this.listener.ended(end);
  }
}
