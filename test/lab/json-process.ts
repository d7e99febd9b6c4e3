import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

interface Waiter {
  readonly check: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * A child that reports by JSON lines on stdout and ends when its stdin closes: whatever becomes of this process, kill -9 included,
 * the kernel closes the pipe and the child goes too.
 */
export class JsonProcess<Event extends { readonly event: string }> implements AsyncDisposable {
  /** Everything reported so far, in order. */
  readonly events: Event[] = [];
  readonly pid: number;

  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #ended: Promise<unknown>;
  readonly #waiters = new Set<Waiter>();
  #standardError = '';
  #exit: string | undefined;

  private constructor(child: ChildProcess, name: string) {
    this.#child = child;
    this.#name = name;
    this.pid = child.pid ?? 0;
    this.#ended = once(child, 'close');
    child.stdin?.on('error', () => undefined); // EPIPE: the child has gone, which 'close' tells
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#standardError = (this.#standardError + chunk.toString()).slice(-4096);
    });
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => this.#receive(line));
    child.on('close', (code, signal) => {
      this.#exit = `${name} ended (${signal ?? code}) ${this.#standardError}`.trim();
      this.#notify();
    });
  }

  static async start<Event extends { readonly event: string }>(
    file: string,
    args: readonly string[],
  ): Promise<JsonProcess<Event>> {
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    await once(child, 'spawn');
    return new JsonProcess<Event>(child, `${file} ${args.join(' ')}`);
  }

  #receive(line: string): void {
    this.events.push(JSON.parse(line) as Event);
    this.#notify();
  }

  #notify(): void {
    for (const waiter of this.#waiters) {
      if (waiter.check()) waiter.resolve();
      else if (this.#exit !== undefined) waiter.reject(new Error(this.#exit));
    }
  }

  send(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Resolves once `check` holds; it is asked again after every event. Rejects when the child ends first, or after `timeoutMs`. */
  async until(check: () => boolean, what: string, timeoutMs = 10_000): Promise<void> {
    if (check()) return;
    if (this.#exit !== undefined) throw new Error(this.#exit);
    let waiter: Waiter | undefined;
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        waiter = { check, resolve, reject };
        this.#waiters.add(waiter);
        timer = setTimeout(
          () => reject(new Error(`${this.#name}: no ${what} within ${timeoutMs} ms ${this.#standardError}`)),
          timeoutMs,
        );
      });
    } finally {
      clearTimeout(timer);
      if (waiter) this.#waiters.delete(waiter);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 2_000);
    await this.#ended;
    clearTimeout(timer);
  }
}
