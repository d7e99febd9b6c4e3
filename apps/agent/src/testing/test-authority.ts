// Before @peculiar/x509, which needs it.
import 'reflect-metadata';
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Pkcs10CertificateRequest,
  type PublicKey,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const HOUR_MS = 3_600_000;

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export function validFor(milliseconds: number): Validity {
  const now = Date.now();
  return { notBefore: new Date(now - HOUR_MS), notAfter: new Date(now + milliseconds) };
}

/** A certificate authority as a control plane has one. */
export class TestAuthority {
  private constructor(
    readonly certificate: X509Certificate,
    private readonly keys: webcrypto.CryptoKeyPair,
  ) {}

  static async create(): Promise<TestAuthority> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const certificate = await X509CertificateGenerator.createSelfSigned({
      name: 'CN=Test authority',
      keys,
      ...validFor(24 * HOUR_MS),
      signingAlgorithm: ALGORITHM,
      extensions: [new BasicConstraintsExtension(true, 0, true)],
    });
    return new TestAuthority(certificate, keys);
  }

  get pin(): string {
    return createHash('sha256').update(Buffer.from(this.certificate.publicKey.rawData)).digest('base64url');
  }

  get der(): Buffer {
    return Buffer.from(this.certificate.rawData);
  }

  joinToken(secret: string): string {
    return `synj_${secret}.${this.pin}`;
  }

  /** The leaf for a server, with the authority behind it, and its key; PEM. */
  async server(): Promise<{ certificate: Buffer; privateKey: Buffer }> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const leaf = await this.issue(keys.publicKey, ExtendedKeyUsage.serverAuth, validFor(HOUR_MS));
    const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
    return {
      certificate: Buffer.from(`${leaf.toString('pem')}\n${this.certificate.toString('pem')}\n`),
      privateKey: Buffer.from(`-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`),
    };
  }

  /** The leaf (DER) for an agent's signing request, once the request proves to be signed by its own key. */
  async agent(request: Uint8Array, validity: Validity): Promise<Buffer> {
    const parsed = new Pkcs10CertificateRequest(Uint8Array.from(request));
    if (!(await parsed.verify())) throw new Error('the signing request is not signed by its own key');
    const leaf = await this.issue(parsed.publicKey, ExtendedKeyUsage.clientAuth, validity);
    return Buffer.from(leaf.rawData);
  }

  private issue(
    publicKey: PublicKey | webcrypto.CryptoKey,
    usage: ExtendedKeyUsage,
    validity: Validity,
  ): Promise<X509Certificate> {
    return X509CertificateGenerator.create({
      serialNumber: randomBytes(8).toString('hex'),
      subject: 'CN=test',
      issuer: this.certificate.subjectName,
      publicKey,
      signingKey: this.keys.privateKey,
      signingAlgorithm: ALGORITHM,
      ...validity,
      extensions: [new ExtendedKeyUsageExtension([usage])],
    });
  }
}
