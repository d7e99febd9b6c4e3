import { randomUUID, X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../clock.js';
import { DataDirectory } from '../data-directory.js';
import { ManualClock } from '../testing/manual-clock.js';
import { TestAuthority, validFor } from '../testing/test-authority.js';
import { TestControlPlane } from '../testing/test-control-plane.js';
import { TestLog } from '../testing/test-log.js';
import { IdentityKeeper } from './identity-keeper.js';
import { IdentityStore } from './identity-store.js';
import { parseJoinToken } from './join-token.js';
import { pinOf } from './pinned-authority.js';
import { parseServerAddress } from './server-address.js';
import { parseServerAddresses, ServerAddresses } from './server-addresses.js';

const HOUR_MS = 3_600_000;

let plane: TestControlPlane;
let dataDir: string;
let log: TestLog;
beforeEach(async () => {
  plane = await TestControlPlane.start();
  dataDir = mkdtempSync(join(tmpdir(), 'synscope-identity-'));
  log = new TestLog();
});
afterEach(() => {
  plane.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

function keeper(
  token: string | undefined = plane.authority.joinToken('s3cret'),
  address = plane.address,
  clock: Clock = systemClock,
) {
  return new IdentityKeeper(
    {
      servers: new ServerAddresses(parseServerAddresses(address), () => 0),
      token: token === undefined ? undefined : parseJoinToken(token),
      hostname: 'host-1',
      labels: { env: 'prod' },
    },
    new IdentityStore(new DataDirectory(dataDir)),
    clock,
    log,
  );
}

const withoutToken = () => {
  const servers = new ServerAddresses(parseServerAddresses(plane.address));
  return new IdentityKeeper(
    { servers, token: undefined, hostname: 'host-1', labels: {} },
    new IdentityStore(new DataDirectory(dataDir)),
    systemClock,
    log,
  );
};

describe('enrolment', () => {
  it('buys a certificate for a key that never leaves the host', async () => {
    const { certificate, certificateAuthorities, privateKey } = await keeper().credentials();
    const request = await plane.enrolments.next();
    expect(request).toMatchObject({ joinToken: 's3cret', hostname: 'host-1', labels: { env: 'prod' } });
    expect(request.agentId).toHaveLength(0);
    const leaf = new X509Certificate(certificate);
    expect(leaf.checkIssued(new X509Certificate(certificateAuthorities[0] ?? ''))).toBe(true);
    expect(pinOf(new X509Certificate(certificateAuthorities[0] ?? ''))).toBe(plane.authority.pin);
    expect(Buffer.from(request.certificateSigningRequest).includes(privateKey)).toBe(false);
    expect(statSync(join(dataDir, 'agent-key.pem')).mode & 0o777).toBe(0o600);
    expect(statSync(join(dataDir, 'identity.json')).mode & 0o777).toBe(0o600);
    expect(readdirSync(dataDir).sort()).toEqual(['agent-key.pem', 'identity.json']);
  });

  it('is needed once: the next start finds the identity, without a token', async () => {
    const first = await keeper().credentials();
    expect(await withoutToken().credentials()).toEqual(first);
    expect(plane.enrolments.drain()).toHaveLength(1);
  });

  it('is asked of the next address when one does not answer', async () => {
    // Nothing listens on port 1 (tcpmux).
    await keeper(undefined, `127.0.0.1:1,${plane.address}`).credentials();
    expect(log.lines.join('\n')).toContain('could not enrol yet');
    expect(plane.enrolments.drain()).toHaveLength(1);
  });

  it('is asked for again when the certificate has expired, with the same key and the old id', async () => {
    plane.agentValidity = {
      notBefore: new Date(Date.now() - 2 * HOUR_MS),
      notAfter: new Date(Date.now() - 1000),
    };
    await keeper().credentials();
    const key = readFileSync(join(dataDir, 'agent-key.pem'), 'utf8');
    await expect(withoutToken().credentials()).rejects.toMatchObject({ code: 'certificate_expired' });

    plane.agentValidity = validFor(HOUR_MS);
    const { privateKey } = await keeper().credentials();
    expect(privateKey).toBe(key);
    await plane.enrolments.next();
    expect(Buffer.from((await plane.enrolments.next()).agentId)).toEqual(plane.agentId);
  });

  it('is asked for anew when the token is of another control plane than the identity', async () => {
    await keeper().credentials();
    const other = await TestControlPlane.start();
    const { certificateAuthorities } = await keeper(
      other.authority.joinToken('x'),
      other.address,
    ).credentials();
    expect(pinOf(new X509Certificate(certificateAuthorities[0] ?? ''))).toBe(other.authority.pin);
    other.stop();
  });

  it('gives the secret to nobody whose CA the token does not pin', async () => {
    const impostor = await TestControlPlane.start(await TestAuthority.create());
    const token = plane.authority.joinToken('s3cret');
    await expect(keeper(token, impostor.address).credentials()).rejects.toMatchObject({
      code: 'server_not_trusted',
      message: expect.stringContaining(impostor.address),
    });
    expect(impostor.enrolments.drain()).toEqual([]);
    expect(existsSync(join(dataDir, 'identity.json'))).toBe(false);
    impostor.stop();
  });

  it.each([
    ['join token expired', status.UNAUTHENTICATED, 'token_refused'],
    ['join token is used up', status.UNAUTHENTICATED, 'token_refused'],
    ['label "a b" is no label', status.INVALID_ARGUMENT, 'enrolment_refused'],
  ])(
    'ends with the control plane’s words when it is refused for good: %s',
    async (details, code, expected) => {
      plane.refuseEnrolment = { code, details };
      await expect(keeper().credentials()).rejects.toMatchObject({
        code: expected,
        message: expect.stringContaining(details),
      });
      expect(plane.enrolments.drain()).toHaveLength(1);
    },
  );

  it('tries again while the control plane is not up', async () => {
    plane.stop();
    const credentials = keeper().credentials();
    await log.written.next((line) => line.includes('could not enrol yet'));
    await plane.listen();
    expect((await credentials).certificate).toContain('BEGIN CERTIFICATE');
  });

  it('tries again when something else than TLS answers, and says what', async () => {
    const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    // With this clock the next try never comes.
    void keeper(undefined, `127.0.0.1:${address.port}`, new ManualClock(Date.now() * 1000)).credentials();
    const line = await log.written.next();
    expect(line).toContain(`127.0.0.1:${address.port}`);
    expect(line).toContain('could not enrol yet');
    server.close();
  });

  it('needs a token at the first start', async () => {
    await expect(withoutToken().credentials()).rejects.toMatchObject({ code: 'not_enrolled', exitStatus: 2 });
  });

  it('says which file is damaged', async () => {
    await keeper().credentials();
    writeFileSync(join(dataDir, 'identity.json'), '{"agentId":');
    await expect(keeper().credentials()).rejects.toThrow(/identity\.json is damaged/);
  });

  it('says that the data directory cannot be used', () => {
    const file = join(dataDir, randomUUID());
    writeFileSync(file, '');
    expect(() => new DataDirectory(join(file, 'below'))).toThrow(/the data directory .* cannot be made/);
  });
});

describe('renewal', () => {
  /** Two hours of three are over: due at once. */
  const due = () => ({
    notBefore: new Date(Date.now() - 2 * HOUR_MS - 1000),
    notAfter: new Date(Date.now() + HOUR_MS),
  });
  const fingerprint = (pem: string) => new X509Certificate(pem).fingerprint256;

  /** A keeper whose successor has come, and what it was asked for with. */
  async function withSuccessor() {
    plane.agentValidity = due();
    const held = keeper();
    const before = await held.credentials();
    held.welcomed();
    const request = await new Promise<Buffer>((resolve) => held.watchRenewal(resolve));
    plane.agentValidity = validFor(24 * HOUR_MS);
    expect(held.renewed(await plane.certificateFor(request))).toBe(true);
    held.stop();
    return { held, before };
  }

  it('asks at 2/3 of the life with a new key, and gives the old one up once a stream was welcomed with it', async () => {
    const { held, before } = await withSuccessor();
    // Nothing has proven the successor yet.
    expect(JSON.parse(readFileSync(join(dataDir, 'identity.json'), 'utf8')).privateKey).toBe(
      before.privateKey,
    );
    const after = await held.credentials();
    expect(after.privateKey).not.toBe(before.privateKey);
    held.welcomed();
    expect(await withoutToken().credentials()).toEqual(after);
    expect(readFileSync(join(dataDir, 'agent-key.pem'), 'utf8')).toBe(after.privateKey);
    expect(readdirSync(dataDir).sort()).toEqual(['agent-key.pem', 'identity.json']);
    expect(statSync(join(dataDir, 'identity.json')).mode & 0o777).toBe(0o600);
  });

  it('goes back to the identity that it has when the control plane does not take the successor', async () => {
    const { held, before } = await withSuccessor();
    await held.credentials();
    expect(held.rejected()).toBe(true);
    expect(await held.credentials()).toEqual(before);
    expect(existsSync(join(dataDir, 'next-identity.json'))).toBe(false);
  });

  it('tries the identity that it has in between, while no stream comes about with the successor', async () => {
    const { held, before } = await withSuccessor();
    const tried = [];
    for (let attempt = 0; attempt < 8; attempt++) tried.push((await held.credentials()).privateKey);
    expect(new Set(tried).size).toBe(2);
    expect(tried.filter((key) => key === before.privateKey)).toHaveLength(2);
  });

  it('lives by the successor when the old certificate has expired meanwhile', async () => {
    const { before } = await withSuccessor();
    const clock = new ManualClock((Date.now() + 2 * HOUR_MS) * 1000);
    const later = await keeper(undefined, plane.address, clock).credentials();
    expect(later.privateKey).not.toBe(before.privateKey);
    expect(plane.enrolments.drain()).toHaveLength(1);
  });

  it('starts over with another key when what was stored of the successor is damaged', async () => {
    await withSuccessor();
    writeFileSync(join(dataDir, 'next-identity.json'), '{"privateKey":');
    const held = keeper();
    const { certificate } = await held.credentials();
    expect(fingerprint(certificate)).toBe(
      fingerprint(JSON.parse(readFileSync(join(dataDir, 'identity.json'), 'utf8')).certificate),
    );
    await new Promise<Buffer>((resolve) => held.watchRenewal(resolve));
    held.stop();
  });

  it('does not use a certificate for another key than it asked for', async () => {
    plane.agentValidity = due();
    const held = keeper();
    await held.credentials();
    const own = await new Promise<Buffer>((resolve) => held.watchRenewal(resolve));
    const former = await plane.certificateFor(own);
    held.renewNow(() => undefined);
    expect(held.renewed(former)).toBe(false);
    held.stop();
  });

  it('finds an identity that an agent stored whose key was in a file of its own', async () => {
    const first = await keeper().credentials();
    const { privateKey: _, ...older } = JSON.parse(readFileSync(join(dataDir, 'identity.json'), 'utf8'));
    writeFileSync(join(dataDir, 'identity.json'), JSON.stringify(older));
    expect(await withoutToken().credentials()).toEqual(first);
  });

  it('becomes a new agent with a new key when another one lives by its identity', async () => {
    const held = keeper();
    const before = await held.credentials();
    expect(held.startAnew()).toBe(true);
    expect((await held.credentials()).privateKey).not.toBe(before.privateKey);
    const [, anew] = plane.enrolments.drain();
    expect(anew?.agentId).toHaveLength(0);
    expect(withoutToken().startAnew()).toBe(false);
  });
});

describe('a join token', () => {
  it.each(['', 'synj_abc', 'synj_abc.short', 'abc.def', `synj_.${'x'.repeat(43)}`])(
    'is refused: %j',
    (text) => {
      expect(() => parseJoinToken(text)).toThrow(expect.objectContaining({ code: 'token_malformed' }));
    },
  );
});

describe('a server address', () => {
  it.each([
    ['control.example.com:9443', { host: 'control.example.com', port: 9443 }],
    ['[fd00::1]:9443', { host: 'fd00::1', port: 9443 }],
  ])('is read: %s', (text, address) => {
    expect(parseServerAddress(text)).toEqual(address);
  });

  it.each(['', 'host', 'host:0', 'host:65536', 'fd00::1:9443', 'https://host:1', 'a b:1'])(
    'is refused: %j',
    (text) => {
      expect(() => parseServerAddress(text)).toThrow(/HOST:PORT/);
    },
  );
});
