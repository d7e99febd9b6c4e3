// @peculiar/x509 resolves its parts by tsyringe, which needs the metadata polyfill before it is loaded.
import 'reflect-metadata';
import { createHash, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect as connectTls, type DetailedPeerCertificate } from 'node:tls';
import { create } from '@bufbuild/protobuf';
import { type ChannelOptions, Client, credentials } from '@grpc/grpc-js';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import {
  type Certificate,
  EnrolmentService,
  type EnrolRequest,
  EnrolRequestSchema,
  type EnrolResponse,
  grpcMethodDefinition,
} from '@synscope/protocol';

/** What an agent needs to open its stream. PEM throughout. */
export interface FakeIdentity {
  readonly agentId: string;
  readonly privateKey: string;
  readonly certificate: string;
  readonly authority: string;
}

export interface EnrolOptions {
  /** `host:port` of the gRPC server. */
  readonly address: string;
  /** As POST /join-tokens answers it: `synj_<secret>.<pin>`. */
  readonly joinToken: string;
  readonly hostname?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** An identity to take over, with its key. */
  readonly former?: FakeIdentity;
  /** Other contents of the request, for tests of bad ones. */
  readonly request?: Partial<Pick<EnrolRequest, 'joinToken' | 'certificateSigningRequest' | 'agentId'>>;
}

/** Buys a certificate as a real agent does: pin first, then the token. Rejects with grpc-js's ServiceError. */
export async function enrolFakeAgent(options: EnrolOptions): Promise<FakeIdentity> {
  const [secret = '', pin = ''] = options.joinToken.replace(/^synj_/, '').split('.');
  const authority = await fetchAuthority(options.address, pin);
  const key = await createKey(options.former?.privateKey);
  const response = await callEnrol(
    options.address,
    authority,
    create(EnrolRequestSchema, {
      joinToken: secret,
      certificateSigningRequest: key.signingRequest,
      hostname: options.hostname ?? 'fake-host',
      labels: { ...options.labels },
      agentId: options.former === undefined ? new Uint8Array() : uuidBytes(options.former.agentId),
      ...options.request,
    }),
  );
  return identityFrom(uuidText(response.agentId), key.privateKey, response.certificate);
}

export interface FakeKey {
  /** PEM, PKCS #8. */
  readonly privateKey: string;
  /** PKCS #10, DER. */
  readonly signingRequest: Uint8Array;
}

const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;

/** A signing request for a new key, or for the given one. */
export async function createKey(existing?: string): Promise<FakeKey> {
  const keys = existing === undefined ? await newKeys() : await openKeys(existing);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: 'CN=synscope-agent',
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  });
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
  return {
    privateKey: `-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----\n`,
    signingRequest: new Uint8Array(request.rawData),
  };
}

function newKeys() {
  return crypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
}

async function openKeys(pem: string) {
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const privateKey = await crypto.subtle.importKey('pkcs8', der, KEY_ALGORITHM, true, ['sign']);
  const { d: _, key_ops: __, ...publicPart } = await crypto.subtle.exportKey('jwk', privateKey);
  const publicKey = await crypto.subtle.importKey('jwk', publicPart, KEY_ALGORITHM, true, ['verify']);
  return { privateKey, publicKey };
}

/** An identity from a certificate of the control plane, for example a renewed one. */
export function identityFrom(
  agentId: string,
  privateKey: string,
  certificate: Certificate | undefined,
): FakeIdentity {
  const authority = certificate?.certificateAuthorities[0];
  if (certificate === undefined || authority === undefined) throw new Error('no certificate came');
  return {
    agentId,
    privateKey,
    certificate: new X509Certificate(certificate.leaf).toString(),
    authority: new X509Certificate(authority).toString(),
  };
}

/** The CA certificate (PEM) in the server's chain whose key has the pin; rejects if there is none. */
export function fetchAuthority(address: string, pin: string): Promise<string> {
  const end = address.lastIndexOf(':');
  const host = address.slice(0, end).replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    const socket = connectTls(
      // What is verified instead is the pin.
      { host, port: Number(address.slice(end + 1)), rejectUnauthorized: false, ALPNProtocols: ['h2'] },
      () => {
        const found = chainOf(socket.getPeerCertificate(true)).find((one) => pinOf(one) === pin);
        socket.destroy();
        if (found === undefined)
          reject(new Error('no certificate of the server has the pin of the join token'));
        else resolve(found.toString());
      },
    );
    socket.once('error', reject);
  });
}

function chainOf(leaf: DetailedPeerCertificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let one = leaf; ; one = one.issuerCertificate) {
    chain.push(new X509Certificate(one.raw));
    if (one.issuerCertificate === undefined || one.issuerCertificate === one) return chain;
  }
}

function pinOf(certificate: X509Certificate): string {
  const key = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(key).digest('base64url');
}

function callEnrol(address: string, authority: string, request: EnrolRequest): Promise<EnrolResponse> {
  const client = new Client(address, credentials.createSsl(Buffer.from(authority)), clientOptions(address));
  const method = grpcMethodDefinition(EnrolmentService.method.enrol);
  return new Promise<EnrolResponse>((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      (error, response) => (response === undefined ? reject(error) : resolve(response)),
    );
  }).finally(() => client.close());
}

/** Options of grpc-js for one agent's own client. */
export function clientOptions(address: string): ChannelOptions {
  const host = address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  return {
    // A connection of its own, as agents on different hosts have.
    'grpc.use_local_subchannel_pool': 1,
    // grpc-js would send an address as the server name, which RFC 6066 §3 forbids and Node warns of.
    ...(isIP(host) !== 0 && { 'grpc.ssl_target_name_override': 'localhost' }),
  };
}

export function uuidBytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll('-', ''), 'hex'));
}

export function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
