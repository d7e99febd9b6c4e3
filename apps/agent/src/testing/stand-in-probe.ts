import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  FrameSplitter,
  FrameType,
  PROBE_NAMES,
  PROBE_WIRE_VERSION,
  type ProbeConfigured,
  type ProbeName,
  ProbeNumber,
  type ProbeStats,
  structs,
} from '@synscope/probe-wire';
import { EventQueue } from './event-queue.js';
import {
  type DnsQueryValues,
  dnsQueriesPayload,
  type HandshakeValues,
  handshakesPayload,
  type ListenerValues,
  listenersPayload,
  type NameLookupValues,
  nameLookupsPayload,
  type ReceiveQueueDropValues,
  receiveQueueDropsPayload,
} from './record-bytes.js';

/** Of each probe; one that two of them attach. */
export const HOOKS = {
  tcp_handshake: ['cgroup_sockops', 'tp_btf/tcp_retransmit_synack'],
  dns: ['cgroup_skb/egress', 'cgroup_sockops'],
  listener: ['cgroup_skb/ingress', 'cgroup_sockops'],
  name_lookup: ['uprobe/getaddrinfo'],
} as const satisfies Record<ProbeName, readonly string[]>;

const WALL_OFFSET_NS = 1_795_000_000_000_000_000n;

export const HELLO = {
  wireVersion: PROBE_WIRE_VERSION,
  version: '0.1.0',
  kernel: '6.18.0',
  architecture: 'x86_64',
  capabilities: [{ name: 'tcp_handshake.client', available: true, detail: '' }],
};

/** A configuration as far as tests look at it. */
export interface ReceivedConfigure {
  readonly revision: number;
  readonly slots: readonly number[];
  /** Of any slot. */
  readonly probes: readonly ProbeName[];
}

type Answer = Omit<ProbeConfigured, 'revision'> | undefined;

/** One process that the agent has started. */
export class StandInRun {
  readonly configures = new EventQueue<ReceivedConfigure>();
  readonly ended: Promise<void>;

  constructor(
    readonly pid: number,
    private readonly socket: Socket,
    private readonly answer: (configure: ReceivedConfigure) => Answer,
  ) {
    this.ended = new Promise((resolve) => socket.once('close', () => resolve()));
    const splitter = new FrameSplitter((_type, payload) => this.configured(payload));
    socket.on('data', (chunk: Buffer) => splitter.push(chunk));
    socket.on('error', () => undefined);
  }

  send(type: number, payload: Buffer): void {
    const header = Buffer.alloc(8);
    header.writeUInt32LE(payload.length, 0);
    header.writeUInt16LE(type, 4);
    this.socket.write(Buffer.concat([header, payload]));
  }

  sendJson(type: number, value: object): void {
    this.send(type, Buffer.from(JSON.stringify(value)));
  }

  sendHandshakes(records: readonly HandshakeValues[]): void {
    this.send(FrameType.handshakes, handshakesPayload(WALL_OFFSET_NS, records));
  }

  sendDnsQueries(records: readonly DnsQueryValues[]): void {
    this.send(FrameType.dnsQueries, dnsQueriesPayload(WALL_OFFSET_NS, records));
  }

  sendNameLookups(records: readonly NameLookupValues[]): void {
    this.send(FrameType.nameLookups, nameLookupsPayload(WALL_OFFSET_NS, records));
  }

  sendReceiveQueueDrops(records: readonly ReceiveQueueDropValues[]): void {
    this.send(FrameType.receiveQueueDrops, receiveQueueDropsPayload(WALL_OFFSET_NS, records));
  }

  sendListeners(records: readonly ListenerValues[]): void {
    this.send(FrameType.listeners, listenersPayload(WALL_OFFSET_NS, records));
  }

  /** What a probe is not said to have lost or emitted is 0. */
  sendStats(change: Partial<Omit<ProbeStats, 'probes'>> & ProbeCounters = {}): void {
    const { tcp_handshake, dns, listener, name_lookup, ...rest } = change;
    this.sendJson(FrameType.stats, {
      ...NO_STATS,
      ...rest,
      probes: {
        tcp_handshake: counters(tcp_handshake),
        dns: { ...counters(dns), ignored: { malformed: 0, unsolicited: 0 } },
        listener: counters(listener),
        name_lookup: counters(name_lookup),
      },
    });
  }

  sendConfigured(revision: number, answer: Omit<ProbeConfigured, 'revision'>): void {
    this.sendJson(FrameType.configured, { revision, ...answer });
  }

  kill(): void {
    process.kill(this.pid, 'SIGKILL');
  }

  private configured(payload: Buffer): void {
    const configure = readConfigure(payload);
    this.configures.push(configure);
    const answer = this.answer(configure);
    if (answer !== undefined) this.sendConfigured(configure.revision, answer);
  }
}

interface Counters {
  readonly emitted?: number;
  readonly loss?: Partial<ProbeStats['probes']['dns']['loss']>;
}
type ProbeCounters = Readonly<Partial<Record<ProbeName, Counters>>>;

const NO_LOSS = { ringFull: 0, pendingTableFull: 0, unfinishedAtDetach: 0, tcpStream: 0 };

function counters({ emitted = 0, loss = {} }: Counters = {}) {
  return { offered: emitted, emitted, loss: { ...NO_LOSS, ...loss } };
}

const NO_STATS: Omit<ProbeStats, 'probes'> = {
  monotonicNs: 1_000_000_000,
  wallOffsetNs: Number(WALL_OFFSET_NS),
  bpf: { runTimeNs: 1000, runCount: 10, sampledNs: 1_000_000 },
  residentBytes: 3_000_000,
  cpuUs: 5000,
};

/**
 * Stands in for synscope-probe where a test must decide what the probe says and when it dies. The agent starts a real process and speaks
 * with it over real pipes; that process does nothing but relay both to this object, where the test is.
 */
export class StandInProbe {
  /** What the agent is to start. */
  readonly path: string;
  readonly runs = new EventQueue<StandInRun>();
  /** Undefined: the test sends the answer itself. */
  answer: (configure: ReceivedConfigure) => Answer = ({ probes }) => ({
    attached: probes.length > 0,
    hooks: hooksOf(probes),
    errors: [],
  });
  hello: object = HELLO;

  private readonly folder = mkdtempSync(join(tmpdir(), 'synscope-stand-in-'));
  private readonly server: Server;

  private constructor() {
    this.path = join(this.folder, 'probe.mjs');
    const address = join(this.folder, 'socket');
    writeFileSync(this.path, relay(address), { mode: 0o755 });
    this.server = createServer((socket) => this.accepted(socket));
  }

  static async start(): Promise<StandInProbe> {
    const probe = new StandInProbe();
    await new Promise<void>((resolve) => probe.server.listen(join(probe.folder, 'socket'), resolve));
    return probe;
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.server.close(resolve));
    rmSync(this.folder, { recursive: true, force: true });
  }

  private accepted(socket: Socket): void {
    socket.once('data', (pid: Buffer) => {
      const run = new StandInRun(pid.readUInt32LE(0), socket, (configure) => this.answer(configure));
      run.sendJson(FrameType.hello, this.hello);
      this.runs.push(run);
    });
  }
}

/** Its pid first, then everything to and fro; it ends when its stdin closes, as the real one does. */
function relay(address: string): string {
  return `#!${process.execPath}
import { connect } from 'node:net';
const socket = connect(${JSON.stringify(address)});
const pid = Buffer.alloc(4);
pid.writeUInt32LE(process.pid);
socket.write(pid);
process.stdin.pipe(socket);
socket.pipe(process.stdout);
socket.on('error', () => process.exit(1));
process.stdin.on('end', () => process.exit(0));
`;
}

export function hooksOf(probes: readonly ProbeName[]): ProbeConfigured['hooks'] {
  return Object.fromEntries(probes.map((probe) => [probe, [...HOOKS[probe]]]));
}

function readConfigure(payload: Buffer): ReceivedConfigure {
  const { fields, size } = structs.configure_slot;
  const slots: number[] = [];
  let probes = 0;
  let at: number = structs.configure_header.size;
  for (let i = 0; i < payload.readUInt32LE(4); i++) {
    const start = at;
    const count = (field: keyof typeof fields) => payload.readUInt16LE(start + fields[field].offset);
    slots.push(payload.readUInt8(start + fields.slot.offset));
    probes |= payload.readUInt8(start + fields.probes.offset);
    const numbers =
      count('remote_port_count') +
      count('local_port_count') +
      count('dns_port_count') +
      count('query_type_count') +
      count('response_code_count');
    const prefixes = count('remote_prefix_count') + count('dns_server_prefix_count');
    at += size + 2 * numbers + 17 * prefixes + 16 * count('process_name_count');
    for (let name = count('query_name_count') + count('query_name_suffix_count'); name > 0; name--) {
      at += 1 + payload.readUInt8(at);
    }
  }
  return {
    revision: payload.readUInt32LE(0),
    slots,
    probes: PROBE_NAMES.filter((probe) => (probes & (1 << (ProbeNumber[probe] - 1))) !== 0),
  };
}
