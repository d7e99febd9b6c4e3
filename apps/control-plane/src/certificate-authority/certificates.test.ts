import 'reflect-metadata';
import { X509Certificate as NodeCertificate } from 'node:crypto';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type Authority,
  agentOf,
  createAuthority,
  InvalidSigningRequest,
  issueAgentCertificate,
  issueServerCertificate,
  openAuthority,
  pinOf,
  publicKeyHash,
  readSigningRequest,
} from './certificates.js';

const now = new Date('2026-11-22T10:00:00Z');
const agentId = '019a8f00-0000-7000-8000-000000000001';

async function signingRequest(namedCurve = 'P-256'): Promise<Uint8Array> {
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve }, true, ['sign', 'verify']);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: 'CN=whatever the host says',
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  });
  return new Uint8Array(request.rawData);
}

let authority: Authority;
beforeAll(async () => {
  authority = await openAuthority(await createAuthority(now));
});

function node(raw: ArrayBuffer): NodeCertificate {
  return new NodeCertificate(Buffer.from(raw));
}

describe('the certificate authority', () => {
  it('names the agent in the leaf, whatever subject the request asked for', async () => {
    const key = await readSigningRequest(await signingRequest());
    const { certificate } = await issueAgentCertificate(authority, key, agentId, now);
    expect(agentOf(new Uint8Array(certificate.rawData))).toEqual({
      agentId,
      publicKeyHash: publicKeyHash(key),
    });
    expect(node(certificate.rawData).subject).toBe(`CN=${agentId}`);
    expect(node(certificate.rawData).verify(node(authority.certificate.rawData).publicKey)).toBe(true);
  });

  it('issues an agent certificate for 24 hours at most, valid already for a clock that is behind', async () => {
    const key = await readSigningRequest(await signingRequest());
    const { certificate, notAfter } = await issueAgentCertificate(authority, key, agentId, now);
    expect(certificate.notAfter.getTime() - certificate.notBefore.getTime()).toBeLessThanOrEqual(86_400_000);
    expect(certificate.notBefore.getTime()).toBeLessThanOrEqual(now.getTime() - 3_600_000);
    expect(notAfter).toEqual(certificate.notAfter);
  });

  it('gives the server a leaf with all its names, followed by the authority', async () => {
    const issued = await issueServerCertificate(
      authority,
      ['localhost', '127.0.0.1', '::1', 'cp.example.com'],
      now,
    );
    const leaf = new NodeCertificate(issued.chain);
    expect(leaf.checkHost('cp.example.com')).toBe('cp.example.com');
    expect(leaf.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(leaf.checkIP('::1')).toBeTruthy();
    expect(issued.chain.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(agentOf(leaf.raw)).toBeNull();
  });

  it('keeps its pin when it is opened again from what was stored', async () => {
    const stored = await createAuthority(now);
    expect(pinOf(await openAuthority(stored))).toBe(pinOf(await openAuthority(stored)));
    expect(pinOf(await openAuthority(stored))).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(pinOf(await openAuthority(stored))).not.toBe(pinOf(authority));
  });

  it('refuses a signing request that is no request, of another curve, or signed by another key', async () => {
    await expect(readSigningRequest(Buffer.from('nonsense'))).rejects.toThrow(InvalidSigningRequest);
    await expect(readSigningRequest(new Uint8Array())).rejects.toThrow('not a PKCS #10 request');
    await expect(readSigningRequest(await signingRequest('P-384'))).rejects.toThrow('P-256');
    const tampered = await signingRequest();
    const last = tampered.length - 1;
    tampered[last] = (tampered[last] ?? 0) ^ 1;
    await expect(readSigningRequest(tampered)).rejects.toThrow('not signed by its own key');
  });
});
