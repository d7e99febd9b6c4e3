// Before @peculiar/x509, which needs it.
import 'reflect-metadata';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
import { describe, expect, it } from 'vitest';
import { createSigningRequest } from './signing-request.js';

describe('a signing request', () => {
  it('is what an X.509 library takes for one: named, for this key, signed by it', async () => {
    // Several, because the lengths in a signature differ from one to the next.
    for (let i = 0; i < 20; i++) {
      const { privateKey } = generateKeyPairSync('ec', {
        namedCurve: 'P-256',
        publicKeyEncoding: { type: 'spki', format: 'pem' },
        privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      });
      const request = new Pkcs10CertificateRequest(Uint8Array.from(createSigningRequest(privateKey)));
      expect(request.subject).toBe('CN=synscope-agent');
      expect(Buffer.from(request.publicKey.rawData)).toEqual(
        createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
      );
      expect(await request.verify()).toBe(true);
    }
  });
});
