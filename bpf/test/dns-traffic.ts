import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const dnsTrafficProgram = fileURLToPath(new URL('../.build/dns-traffic', import.meta.url));

/** Types of RFC 1035 §3.2.2 and RFC 3596; response codes of RFC 1035 §4.1.1 and RFC 6891 §9. */
export const A = 1;
export const AAAA = 28;
export const SERVFAIL = 2;
export const NXDOMAIN = 3;
export const BADVERS = 16;

const HEADER_BYTES = 12;
const FLAG_ANSWER = 0x8000;
const FLAG_TRUNCATED = 0x0200;
const FLAG_RECURSION_DESIRED = 0x0100;
const CLASS_IN = 1;
const TYPE_OPT = 41;

export interface Question {
  readonly name: string;
  readonly type: number;
}

function questionOf({ name, type }: Question): Buffer {
  const labels = name
    .split('.')
    .map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1'));
  const rest = Buffer.alloc(5);
  rest.writeUInt16BE(type, 1);
  rest.writeUInt16BE(CLASS_IN, 3);
  return Buffer.concat([...labels, rest]);
}

export function queryMessage(id: number, ...questions: readonly Question[]): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(FLAG_RECURSION_DESIRED, 2);
  header.writeUInt16BE(questions.length, 4);
  return Buffer.concat([header, ...questions.map(questionOf)]);
}

export interface AnswerOptions {
  readonly responseCode?: number;
  readonly truncated?: boolean;
  /** With the header alone. */
  readonly withoutQuestion?: boolean;
  /** Address records, each pointing to the question's name. */
  readonly addresses?: number;
}

/** The answer to a query of one question or several. */
export function answerTo(query: Buffer, options: AnswerOptions = {}): Buffer {
  const { responseCode = 0, truncated = false, withoutQuestion = false, addresses = 0 } = options;
  const answer = Buffer.from(withoutQuestion ? query.subarray(0, HEADER_BYTES) : query);
  const flags = FLAG_ANSWER | FLAG_RECURSION_DESIRED | (truncated ? FLAG_TRUNCATED : 0);
  answer.writeUInt16BE(flags | (responseCode & 15), 2);
  if (withoutQuestion) answer.writeUInt16BE(0, 4);
  answer.writeUInt16BE(addresses, 6);
  const record = Buffer.from(`c00c 0001 0001 0000003c 0004 c0000201`.replaceAll(' ', ''), 'hex');
  const records = Array.from({ length: addresses }, () => record);
  if (responseCode > 15) {
    answer.writeUInt16BE(1, 10);
    const opt = Buffer.alloc(11);
    opt.writeUInt16BE(TYPE_OPT, 1);
    opt.writeUInt16BE(1232, 3);
    opt.writeUInt8(responseCode >> 4, 5);
    records.push(opt);
  }
  return Buffer.concat([answer, ...records]);
}

/** As over TCP (RFC 1035 §4.2.2). */
export function prefixed(...messages: readonly Buffer[]): Buffer {
  return Buffer.concat(
    messages.flatMap((message) => [Buffer.of(message.length >> 8, message.length & 255), message]),
  );
}

/** What bpf/test/dns-traffic.c says first. */
export interface Parties {
  readonly netns: number;
  readonly client: number;
  readonly resolver: number;
}

/** What it answers to each command. */
export interface CommandAnswer {
  readonly beganNs: number;
  readonly doneNs: number;
  readonly value: number;
}

/** bpf/test/dns-traffic.c, which tells its commands. */
export class DnsTraffic {
  private readonly process: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  parties!: Parties;

  private constructor() {
    this.process = spawn(dnsTrafficProgram, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.process.stdin?.on('error', () => undefined); // EPIPE: it has ended, which the end of its lines tells
    this.lines = createInterface({ input: this.process.stdout as NodeJS.ReadableStream })[
      Symbol.asyncIterator
    ]();
  }

  static async start(): Promise<DnsTraffic> {
    const traffic = new DnsTraffic();
    traffic.parties = JSON.parse(await traffic.line()) as Parties;
    return traffic;
  }

  private async line(): Promise<string> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error('dns-traffic has ended');
    return value;
  }

  /** Runs the commands one after the other. */
  async run(...commands: readonly string[]): Promise<CommandAnswer[]> {
    this.process.stdin?.write(commands.map((command) => `${command}\n`).join(''));
    const answers: CommandAnswer[] = [];
    while (answers.length < commands.length) answers.push(JSON.parse(await this.line()) as CommandAnswer);
    return answers;
  }

  async end(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const closed = once(this.process, 'close');
    this.process.stdin?.end();
    await closed;
  }
}
