import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { dnsFields, type WitnessedDnsMessage, witnessedDnsMessages } from './witnessed-dns.ts';
import { handshakeFields, type WitnessedHandshake, witnessedHandshakes } from './witnessed-handshake.ts';

const run = promisify(execFile);

/** Packets in a pcap file: a header of 24 bytes, then 16 bytes and the packet for each (draft-ietf-opsawg-pcap). */
function countPackets(file: Buffer): number {
  let count = 0;
  for (let offset = 24; offset + 16 <= file.length; count++) {
    offset += 16 + file.readUInt32LE(offset + 8);
    if (offset > file.length) break;
  }
  return count;
}

/** A capture of one side's TCP and UDP packets, read by tshark: a witness that shares nothing with the relay and the probe. */
export class Capture implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #folder: string;

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child;
    this.#closed = once(child, 'close');
    this.#folder = folder;
  }

  /** Resolves once packets are being captured. The capture ends at the latest when the lab's device disappears. */
  static async start(namespacePath: string): Promise<Capture> {
    const folder = await mkdtemp(join(tmpdir(), 'synscope-capture-'));
    const args = ['-P', '-q', '-i', 'wire', '-f', 'tcp or udp', '-w', join(folder, 'wire.pcap')];
    const child = spawn('nsenter', [`--net=${namespacePath}`, 'dumpcap', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const capture = new Capture(child, folder);
    try {
      await new Promise<void>((resolve, reject) => {
        let text = '';
        child.stderr?.on('data', (chunk: Buffer) => {
          text += chunk.toString();
          if (text.includes('File: ')) resolve(); // dumpcap names its file once the device is open
        });
        child.once('error', reject);
        child.once('close', () => reject(new Error(`dumpcap ended: ${text}`)));
      });
    } catch (error) {
      await capture[Symbol.asyncDispose]();
      throw error;
    }
    return capture;
  }

  /** Of TCP connections. Waits until so many packets are in the file, and ends the capture. */
  async handshakes(packetCount: number, timeoutMs?: number): Promise<readonly WitnessedHandshake[]> {
    return witnessedHandshakes(await this.#rows(handshakeFields, packetCount, timeoutMs));
  }

  /** Of DNS on port 53. Waits until so many packets are in the file, and ends the capture. */
  async dnsMessages(packetCount: number, timeoutMs?: number): Promise<readonly WitnessedDnsMessage[]> {
    return witnessedDnsMessages(await this.#rows(dnsFields, packetCount, timeoutMs));
  }

  async #rows(
    fields: readonly string[],
    packetCount: number,
    timeoutMs = 5_000,
  ): Promise<readonly (readonly string[])[]> {
    const file = join(this.#folder, 'wire.pcap');
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const count = countPackets(await readFile(file));
      if (count >= packetCount) break;
      if (Date.now() > deadline)
        throw new Error(`${count} of ${packetCount} packets captured within ${timeoutMs} ms`);
      await delay(50);
    }
    this.#child.kill('SIGINT');
    await this.#closed;
    const { stdout } = await run(
      'tshark',
      ['-r', file, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])],
      { maxBuffer: 64 << 20 },
    );
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split('\t'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGINT');
    await this.#closed;
    await rm(this.#folder, { recursive: true, force: true });
  }
}
