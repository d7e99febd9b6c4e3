/** The probe only observes: what other programs on the cgroup answer reaches the kernel as if it were not there. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DnsRecords, dnsSlot } from './dns-records.js';
import { A, answerTo, DnsTraffic, queryMessage } from './dns-traffic.js';
import { listenerSlot } from './listener-records.js';
import { cgroupMount, everything, ProbeProcess, traffic } from './probe-process.js';

/** What bpf/test/observe.c reports. */
interface Observation {
  readonly calls: readonly number[];
  readonly replies: readonly number[];
  /** By 2 × behind + leaving, as the hashes. */
  readonly packets: readonly number[];
  readonly packetHashes: readonly number[];
  readonly callsToGivenPort: number;
}

/** bpf/test/observe.c: programs in front of the probe's and behind them. */
class Observer {
  private readonly lines: AsyncIterator<string>;

  constructor(private readonly process: ChildProcess) {
    this.lines = createInterface({ input: process.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  private async ask(line: string): Promise<string> {
    this.process.stdin?.write(`${line}\n`);
    return (await this.lines.next()).value as string;
  }

  async attach(where: 'front' | 'behind'): Promise<void> {
    expect(await this.ask(where)).toBe('ok');
  }

  async report(): Promise<Observation> {
    return JSON.parse(await this.ask('report')) as Observation;
  }

  async end(): Promise<void> {
    const closed = once(this.process, 'close');
    this.process.stdin?.end();
    await closed;
  }
}

let observer: Observer;
let probe: ProbeProcess;

beforeEach(async () => {
  const program = fileURLToPath(new URL('../.build/observe', import.meta.url));
  observer = new Observer(spawn(program, [await cgroupMount()], { stdio: ['pipe', 'pipe', 'inherit'] }));
  probe = new ProbeProcess();
});

afterEach(async () => {
  await Promise.all([observer.end(), probe.end()]);
});

it('leaves the answers to callbacks of handshakes alone', async () => {
  const untouched = await traffic('established_ipv4');
  await observer.attach('front');
  const alone = await traffic('established_ipv4');
  expect(alone.initialWindow).not.toBe(untouched.initialWindow);
  await probe.configure(everything, listenerSlot(1));
  await observer.attach('behind');
  const traced = await traffic('established_ipv4');
  expect(traced.initialWindow).toBe(alone.initialWindow);
  const { calls, replies } = await observer.report();
  // enum of include/uapi/linux/bpf.h: 1 TIMEOUT_INIT, 2 RWND_INIT, 3 TCP_CONNECT_CB, 4 ACTIVE_ and 5 PASSIVE_ESTABLISHED_CB.
  for (const operation of [1, 2, 3, 4, 5]) {
    expect(calls[operation], `calls of operation ${operation}`).toBeGreaterThan(0);
    expect(replies[operation], `reply to operation ${operation}`).toBe(operation === 2 ? 5 : 0);
  }
});

it('leaves DNS packets, and where they are sent, alone', async () => {
  // As in observe.bpf.c: who goes to the first port is sent to the second, and messages with the id do not arrive.
  const [askedFor, given, refusedId] = [5398, 5399, 0xdead];
  const name = `o${process.pid}.test`;
  const [first, refused, second] = [1, refusedId, 2].map((id) => queryMessage(id, { name, type: A }));
  if (!first || !refused || !second) throw new Error('no messages');
  const hex = (message: Buffer) => message.toString('hex');
  const to = `127.0.0.1 ${askedFor}`;
  await observer.attach('front');
  const records = new DnsRecords(probe);
  await probe.configure(dnsSlot(0, { dnsPorts: [given] }));
  await observer.attach('behind');
  const dns = await DnsTraffic.start();
  try {
    const steps = await dns.run(
      ...['resolver open s udp4', `resolver bind s 127.0.0.1 ${given}`],
      ...['client open c udp4', `client connect c ${to}`, 'client open u udp4'],
      `client send c ${hex(refused)}00`,
      ...[`client send c ${hex(first)}`, 'resolver receive s'],
      ...[`resolver reply s ${hex(answerTo(first))}`, 'client receive c'],
      ...[`client send u ${hex(second)} ${to}`, 'resolver receive s'],
      ...[`resolver reply s ${hex(answerTo(second))}`, 'client receive u'],
    );
    // The refused one, longer by a byte, did not come; the others did.
    expect([7, 9, 11, 13].map((step) => steps[step]?.value)).toEqual(Array(4).fill(first.length));
    const answered = await records.take(4, ({ outcome }) => outcome === 'answered');
    const { client, resolver } = dns.parties;
    expect(answered.map(({ pid }) => pid)).toEqual([resolver, client, resolver, client]);
  } finally {
    await dns.end();
  }
  const { packets, packetHashes, callsToGivenPort } = await observer.report();
  // Coming, then leaving; in front, then behind.
  expect(packets).toEqual([5, 5, 5, 5]);
  expect(packetHashes.slice(2)).toEqual(packetHashes.slice(0, 2));
  expect(callsToGivenPort).toBe(2);
});
