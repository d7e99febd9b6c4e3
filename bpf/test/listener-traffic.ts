import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const listenerTrafficProgram = fileURLToPath(new URL('../.build/listener-traffic', import.meta.url));

/** What bpf/test/listener-traffic.c says first. */
export interface Place {
  readonly netns: number;
  readonly pid: number;
  readonly port: number;
}

/** TcpExt of /proc/net/netstat, by name. */
export type Counters = Readonly<Record<string, number>>;

/** A listening socket as `ss -ltnme` has it. */
export interface SocketStatistics {
  readonly cookie: bigint;
  /** Recv-Q and Send-Q. */
  readonly queued: number;
  readonly limit: number;
  readonly drops: number;
}

/** bpf/test/listener-traffic.c, which tells its commands. */
export class ListenerTraffic {
  private readonly process: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  place!: Place;

  private constructor() {
    this.process = spawn(listenerTrafficProgram, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.process.stdin?.on('error', () => undefined); // EPIPE: it has ended, which the end of its lines tells
    const { stdout } = this.process;
    this.lines = createInterface({ input: stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  static async start(): Promise<ListenerTraffic> {
    const traffic = new ListenerTraffic();
    traffic.place = JSON.parse(await traffic.line()) as Place;
    return traffic;
  }

  private async line(): Promise<string> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error('listener-traffic has ended');
    return value;
  }

  /** Runs the commands one after the other. */
  async run(...commands: readonly string[]): Promise<string[]> {
    this.process.stdin?.write(commands.map((command) => `${command}\n`).join(''));
    const answers: string[] = [];
    while (answers.length < commands.length) answers.push(await this.line());
    return answers;
  }

  /** The socket's cookie. */
  async listen(address: 'ipv4' | 'ipv6' | 'any4' | 'any6' | 'mptcp', backlog: number): Promise<bigint> {
    const [cookie] = await this.run(`listen ${address} ${backlog}`);
    return BigInt(cookie ?? '');
  }

  async number(command: string): Promise<number> {
    const [answer] = await this.run(command);
    return Number(answer);
  }

  /** By how much the namespace's counters rose since it was made, as far as they are asked for. */
  async counters<Name extends string>(...names: readonly Name[]): Promise<Record<Name, number>> {
    const [line] = await this.run('counters');
    const all = JSON.parse(line ?? '') as Counters;
    return Object.fromEntries(names.map((name) => [name, all[name]])) as Record<Name, number>;
  }

  async socketStatistics(): Promise<SocketStatistics[]> {
    const arguments_ = [`--net=/proc/${this.place.pid}/ns/net`, 'ss', '-ltnmeHO'];
    const { stdout } = await promisify(execFile)('nsenter', arguments_);
    return stdout
      .trim()
      .split('\n')
      .map((line) => ({
        cookie: BigInt(`0x${/\bsk:([0-9a-f]+)/.exec(line)?.[1]}`),
        queued: Number(line.split(/\s+/)[1]),
        limit: Number(line.split(/\s+/)[2]),
        drops: Number(/,d(\d+)\)/.exec(line)?.[1]),
      }));
  }

  async end(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const closed = once(this.process, 'close');
    this.process.stdin?.end();
    await closed;
  }
}
