import { generateKeyPairSync, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import 'reflect-metadata';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import {
  type ConnectRequest,
  ConnectRequestSchema,
  type ConnectResponse,
  EnrolmentService,
  EnrolRequestSchema,
  grpcMethodDefinition,
  LinkService,
} from '@synscope/protocol';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;

/** The server is our own child on loopback: its certificate is not what is measured. */
const TRUST_ANYONE = { rejectUnauthorized: false, checkServerIdentity: () => undefined };

const CONNECT_TIMEOUT_MS = 10_000;

/** An agent that enrols like any other, and then sends prepared batches as fast as they are acknowledged. */
export class BenchAgent {
  #nextSeq = 1;
  readonly #waiting = new Map<number, () => void>();
  #fail: (error: Error) => void = () => {};
  readonly failed = new Promise<never>((_, reject) => {
    this.#fail = reject;
  });

  readonly client: Client;
  readonly stream: ClientDuplexStream<Buffer, ConnectResponse>;
  readonly maxUnackedBatches: number;

  // Fields are written out, because Node strips types and nothing else.
  private constructor(
    client: Client,
    stream: ClientDuplexStream<Buffer, ConnectResponse>,
    maxUnackedBatches: number,
  ) {
    this.client = client;
    this.stream = stream;
    this.maxUnackedBatches = maxUnackedBatches;
    stream.on('data', ({ message }: ConnectResponse) => {
      if (message.case !== 'ack') return;
      const seq = Number(message.value.seq);
      this.#waiting.get(seq)?.();
      this.#waiting.delete(seq);
    });
    stream.on('error', (error) => this.#fail(error));
    this.failed.catch(() => {});
  }

  static async connect(target: string, joinToken: string): Promise<BenchAgent> {
    const { privateKey, certificate } = await enrol(target, joinToken);
    const method = grpcMethodDefinition(LinkService.method.connect);
    const client = new Client(target, credentials.createSsl(null, privateKey, certificate, TRUST_ANYONE), {
      // One connection each, as agents on different hosts have.
      'grpc.use_local_subchannel_pool': 1,
    });
    const stream = client.makeBidiStreamRequest(
      method.path,
      (bytes: Buffer) => bytes,
      method.responseDeserialize,
    );
    stream.write(hello());
    return new Promise((resolve, reject) => {
      stream.once('error', reject);
      stream.on('data', function onData({ message }: ConnectResponse) {
        if (message.case !== 'welcome') return;
        stream.off('data', onData);
        stream.off('error', reject);
        resolve(new BenchAgent(client, stream, message.value.maxUnackedBatches));
      });
    });
  }

  /** Sends batches until `take` says that there are no more to send; resolves when all are acknowledged. */
  async send(take: () => boolean, message: (seq: number) => Buffer): Promise<void> {
    const lanes = Array.from({ length: this.maxUnackedBatches }, async () => {
      while (take()) {
        const seq = this.#nextSeq++;
        const acknowledged = new Promise<void>((resolve) => this.#waiting.set(seq, resolve));
        this.stream.write(message(seq));
        await Promise.race([acknowledged, this.failed]);
      }
    });
    await Promise.all(lanes);
  }

  close(): void {
    this.stream.on('error', () => {});
    this.stream.cancel();
    this.client.close();
  }
}

async function enrol(
  target: string,
  joinToken: string,
): Promise<{ privateKey: Buffer; certificate: Buffer }> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { subtle } = webcrypto;
  const keys = {
    privateKey: await subtle.importKey(
      'pkcs8',
      privateKey.export({ type: 'pkcs8', format: 'der' }),
      ALGORITHM,
      false,
      ['sign'],
    ),
    publicKey: await subtle.importKey(
      'spki',
      publicKey.export({ type: 'spki', format: 'der' }),
      ALGORITHM,
      true,
      ['verify'],
    ),
  };
  const csr = await Pkcs10CertificateRequestGenerator.create({
    name: 'CN=bench',
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  });
  const [, secret = joinToken] = /^synj_([^.]+)\./.exec(joinToken) ?? [];
  const client = new Client(target, credentials.createSsl(null, null, null, TRUST_ANYONE));
  await new Promise<void>((resolve, reject) => {
    client.waitForReady(Date.now() + CONNECT_TIMEOUT_MS, (error) => (error ? reject(error) : resolve()));
  });
  const method = grpcMethodDefinition(EnrolmentService.method.enrol);
  const request = create(EnrolRequestSchema, {
    joinToken: secret,
    certificateSigningRequest: new Uint8Array(csr.rawData),
    hostname: 'bench',
  });
  try {
    return await new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        (error, response) => {
          if (error) return reject(error);
          const leaf = response?.certificate?.leaf;
          if (!leaf) return reject(new Error('enrolled without a certificate'));
          resolve({
            privateKey: Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' })),
            certificate: Buffer.from(new X509Certificate(leaf).toString()),
          });
        },
      );
    });
  } finally {
    client.close();
  }
}

function hello(): Buffer {
  const request: ConnectRequest = create(ConnectRequestSchema, {
    message: {
      case: 'hello',
      value: {
        protocolVersion: 1,
        agentVersion: 'bench',
        bootId: uuid(),
        hostname: 'bench',
        kernel: 'none',
        architecture: 'none',
      },
    },
  });
  return Buffer.from(toBinary(ConnectRequestSchema, request));
}

function uuid(): Uint8Array {
  const bytes = randomBytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes;
}
