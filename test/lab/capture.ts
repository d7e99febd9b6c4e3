import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { SocketAddress } from './relay.js';

const run = promisify(execFile);

// Flags of the TCP header, RFC 9293 §3.1.
const SYN = 0x02;
const ACK = 0x10;

/** One handshake as tshark reads it from a capture on one side's device. */
export interface WitnessedHandshake {
  readonly client: SocketAddress;
  readonly server: SocketAddress;
  /** SYNs and SYN-ACKs that crossed the device. */
  readonly syns: number;
  readonly synAcks: number;
  /** Those of them that tshark calls retransmissions. */
  readonly synRetransmissions: number;
  readonly synAckRetransmissions: number;
  /** Microseconds from the first SYN to the first SYN-ACK and to the first packet from the client that acknowledges it. */
  readonly firstSynToSynAckUs: number | null;
  readonly firstSynToAckUs: number | null;
  /** tcp.analysis.initial_rtt in microseconds: from the latest SYN before the SYN-ACK to the ACK. */
  readonly initialRttUs: number | null;
}

const fields = [
  'frame.time_epoch',
  'tcp.stream',
  'ip.src',
  'ipv6.src',
  'tcp.srcport',
  'ip.dst',
  'ipv6.dst',
  'tcp.dstport',
  'tcp.flags',
  'tcp.analysis.retransmission',
  'tcp.analysis.initial_rtt',
] as const;

interface WitnessedPacket {
  readonly timeUs: number;
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
  readonly flags: number;
  readonly retransmission: boolean;
  readonly initialRttUs: number | null;
}

function parsePacket(line: string): readonly [stream: string, packet: WitnessedPacket] {
  const [time, stream, ipv4Source, ipv6Source, sourcePort, ipv4Destination, ipv6Destination, ...rest] =
    line.split('\t');
  const [destinationPort, flags, retransmission, initialRtt] = rest;
  return [
    stream ?? '',
    {
      timeUs: Number(time) * 1e6,
      source: { address: ipv4Source || ipv6Source || '', port: Number(sourcePort) },
      destination: { address: ipv4Destination || ipv6Destination || '', port: Number(destinationPort) },
      flags: Number(flags),
      retransmission: Boolean(retransmission),
      initialRttUs: initialRtt ? Number(initialRtt) * 1e6 : null,
    },
  ];
}

function summarise(packets: readonly WitnessedPacket[]): WitnessedHandshake | undefined {
  const syns = packets.filter(({ flags }) => (flags & (SYN | ACK)) === SYN);
  const synAcks = packets.filter(({ flags }) => (flags & (SYN | ACK)) === (SYN | ACK));
  const [first] = syns;
  if (!first) return undefined;
  const answer = synAcks[0];
  const ack = packets.find(
    ({ flags, source, timeUs }) =>
      answer && (flags & (SYN | ACK)) === ACK && source.port === first.source.port && timeUs >= answer.timeUs,
  );
  return {
    client: first.source,
    server: first.destination,
    syns: syns.length,
    synAcks: synAcks.length,
    synRetransmissions: syns.filter(({ retransmission }) => retransmission).length,
    synAckRetransmissions: synAcks.filter(({ retransmission }) => retransmission).length,
    firstSynToSynAckUs: answer ? answer.timeUs - first.timeUs : null,
    firstSynToAckUs: ack ? ack.timeUs - first.timeUs : null,
    initialRttUs: packets.find(({ initialRttUs }) => initialRttUs !== null)?.initialRttUs ?? null,
  };
}

/** Packets in a pcap file: a header of 24 bytes, then 16 bytes and the packet for each (draft-ietf-opsawg-pcap). */
function countPackets(file: Buffer): number {
  let count = 0;
  for (let offset = 24; offset + 16 <= file.length; count++) {
    offset += 16 + file.readUInt32LE(offset + 8);
    if (offset > file.length) break;
  }
  return count;
}

/** A capture of one side's TCP packets, read by tshark: a witness that shares nothing with the relay and the probe. */
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
    const args = ['-P', '-q', '-i', 'wire', '-f', 'tcp', '-w', join(folder, 'wire.pcap')];
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

  /** Waits until so many packets are in the file, ends the capture and reads what it holds. */
  async handshakes(packetCount: number, timeoutMs = 5_000): Promise<readonly WitnessedHandshake[]> {
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
    const lines = stdout.split('\n').filter(Boolean).map(parsePacket);
    const streams = Map.groupBy(lines, ([stream]) => stream);
    return [...streams.values()].flatMap((packets) => summarise(packets.map(([, packet]) => packet)) ?? []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGINT');
    await this.#closed;
    await rm(this.#folder, { recursive: true, force: true });
  }
}
