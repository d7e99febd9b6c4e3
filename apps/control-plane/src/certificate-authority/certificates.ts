// @peculiar/x509 resolves its parts by tsyringe, which needs the metadata polyfill before it is loaded.
import 'reflect-metadata';
import { createHash, randomBytes, type webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  type PublicKey,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

type CryptoKey = webcrypto.CryptoKey;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNING_ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' } as const;

/** A host whose clock is behind by up to this much still finds a fresh certificate valid. */
const CLOCK_SKEW_MS = HOUR_MS;
const AUTHORITY_LIFE_MS = 3650 * DAY_MS;
const SERVER_LIFE_MS = 30 * DAY_MS;
/** From notBefore to notAfter. */
const AGENT_LIFE_MS = DAY_MS;

const AGENT_NAME_PREFIX = 'synscope:agent:';

/** A certificate authority that can sign. */
export interface Authority {
  readonly certificate: X509Certificate;
  readonly signingKey: CryptoKey;
}

/** An authority as it is kept: DER of the certificate, PKCS #8 DER of the private key. */
export interface StoredAuthority {
  readonly certificate: Buffer;
  readonly privateKey: Buffer;
}

export interface IssuedCertificate {
  readonly certificate: X509Certificate;
  readonly notAfter: Date;
}

/** The signing request cannot be honoured; the message says why. */
export class InvalidSigningRequest extends Error {}

export async function createAuthority(now: Date): Promise<StoredAuthority> {
  const keys = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // A name of its own: OpenSSL takes an authority of the same name for the issuer, fails over the signature, and the connection just
    // drops, where an agent of another control plane is to be told what is wrong.
    name: `CN=Synscope agent authority ${randomBytes(8).toString('hex')}`,
    keys,
    notBefore: new Date(now.getTime() - CLOCK_SKEW_MS),
    notAfter: new Date(now.getTime() + AUTHORITY_LIFE_MS),
    signingAlgorithm: SIGNING_ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const privateKey = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { certificate: Buffer.from(certificate.rawData), privateKey: Buffer.from(privateKey) };
}

export async function openAuthority(stored: StoredAuthority): Promise<Authority> {
  return {
    certificate: new X509Certificate(new Uint8Array(stored.certificate)),
    signingKey: await crypto.subtle.importKey('pkcs8', stored.privateKey, KEY_ALGORITHM, false, ['sign']),
  };
}

/**
 * What a join token pins: base64url of SHA-256 over the authority's SubjectPublicKeyInfo (DER), as in RFC 7469 §2.4 but for the
 * alphabet, so that the pin survives a new certificate for the same key.
 */
export function pinOf(authority: Authority): string {
  return createHash('sha256')
    .update(new Uint8Array(authority.certificate.publicKey.rawData))
    .digest('base64url');
}

export interface ServerCertificate {
  /** PEM: the leaf, then the authority, which a joining agent checks against its token's pin. */
  readonly chain: string;
  /** PEM, PKCS #8. */
  readonly privateKey: string;
  readonly renewAt: Date;
}

export async function issueServerCertificate(
  authority: Authority,
  names: readonly string[],
  now: Date,
): Promise<ServerCertificate> {
  const keys = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
  const leaf = await X509CertificateGenerator.create({
    subject: 'CN=Synscope control plane',
    issuer: authority.certificate.subjectName,
    publicKey: keys.publicKey,
    signingKey: authority.signingKey,
    signingAlgorithm: SIGNING_ALGORITHM,
    notBefore: new Date(now.getTime() - CLOCK_SKEW_MS),
    notAfter: new Date(now.getTime() + SERVER_LIFE_MS),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(
        names.map((name) => ({ type: isIP(name) === 0 ? ('dns' as const) : ('ip' as const), value: name })),
      ),
    ],
  });
  const privateKey = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
  return {
    chain: `${leaf.toString('pem')}\n${authority.certificate.toString('pem')}\n`,
    privateKey: `-----BEGIN PRIVATE KEY-----\n${privateKey.toString('base64')}\n-----END PRIVATE KEY-----\n`,
    renewAt: new Date(now.getTime() + (SERVER_LIFE_MS * 2) / 3),
  };
}

/** The public key of a PKCS #10 request (DER), once its signature proves that the sender holds the private key. */
export async function readSigningRequest(der: Uint8Array): Promise<PublicKey> {
  let request: Pkcs10CertificateRequest;
  try {
    // A copy: what the parser keeps must not be a view into a whole gRPC message.
    request = new Pkcs10CertificateRequest(Uint8Array.from(der));
  } catch {
    throw new InvalidSigningRequest('certificate_signing_request is not a PKCS #10 request in DER');
  }
  const algorithm = request.publicKey.algorithm as { name: string; namedCurve?: string };
  if (algorithm.name !== KEY_ALGORITHM.name || algorithm.namedCurve !== KEY_ALGORITHM.namedCurve) {
    throw new InvalidSigningRequest(
      'certificate_signing_request must be for an ECDSA key on the curve P-256',
    );
  }
  if (!(await request.verify().catch(() => false))) {
    throw new InvalidSigningRequest('certificate_signing_request is not signed by its own key');
  }
  return request.publicKey;
}

/** SHA-256 over a key's SubjectPublicKeyInfo. */
export function publicKeyHash(key: PublicKey): Buffer {
  return createHash('sha256').update(new Uint8Array(key.rawData)).digest();
}

export async function issueAgentCertificate(
  authority: Authority,
  publicKey: PublicKey,
  agentId: string,
  now: Date,
): Promise<IssuedCertificate> {
  const notBefore = new Date(now.getTime() - CLOCK_SKEW_MS);
  const notAfter = new Date(notBefore.getTime() + AGENT_LIFE_MS);
  const certificate = await X509CertificateGenerator.create({
    subject: `CN=${agentId}`,
    issuer: authority.certificate.subjectName,
    publicKey,
    signingKey: authority.signingKey,
    signingAlgorithm: SIGNING_ALGORITHM,
    notBefore,
    notAfter,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension([{ type: 'url', value: `${AGENT_NAME_PREFIX}${agentId}` }]),
    ],
  });
  return { certificate, notAfter };
}

/** The agent that a verified certificate names, and its key; null if it is not an agent's. */
export function agentOf(
  der: Uint8Array,
): { readonly agentId: string; readonly publicKeyHash: Buffer } | null {
  const certificate = new X509Certificate(Uint8Array.from(der));
  const names = certificate.getExtension(SubjectAlternativeNameExtension)?.names;
  const name = names?.items.find((item) => item.type === 'url' && item.value.startsWith(AGENT_NAME_PREFIX));
  if (name === undefined) return null;
  return {
    agentId: name.value.slice(AGENT_NAME_PREFIX.length),
    publicKeyHash: publicKeyHash(certificate.publicKey),
  };
}
