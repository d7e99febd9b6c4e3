import { createPrivateKey, createPublicKey, webcrypto } from 'node:crypto';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;

/**
 * A PKCS #10 request (DER) for this private key (PEM, PKCS #8). The subject is a formality: the control plane chooses its own.
 * @peculiar/x509 is loaded only here, at enrolment and once a day: it is a few megabytes that an idle agent need not hold.
 */
export async function createSigningRequest(privateKeyPem: string): Promise<Buffer> {
  // It resolves its parts by tsyringe, which needs the metadata polyfill before it is loaded.
  await import('reflect-metadata');
  const { Pkcs10CertificateRequestGenerator } = await import('@peculiar/x509');
  const privateKey = createPrivateKey(privateKeyPem);
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
      createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
      ALGORITHM,
      true,
      ['verify'],
    ),
  };
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: 'CN=synscope-agent',
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  });
  return Buffer.from(request.rawData);
}
