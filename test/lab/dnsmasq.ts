import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A real resolver, without a cache, in a network namespace. */
export class Dnsmasq implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#closed = once(child, 'close');
  }

  static async start(
    namespacePath: string,
    options: {
      readonly address: string;
      /** Default 53. */
      readonly port?: number;
      readonly upstream: string;
    },
  ): Promise<Dnsmasq> {
    const args = [
      '--keep-in-foreground',
      '--log-facility=-', // stderr
      '--conf-file=/dev/null',
      '--pid-file=',
      '--user=root',
      '--no-resolv',
      '--no-hosts',
      '--cache-size=0',
      '--bind-interfaces',
      `--listen-address=${options.address}`,
      `--port=${options.port ?? 53}`,
      '--except-interface=lo', // where the upstream listens
      `--server=${options.upstream}`,
    ];
    // Goes with this process: the kernel sends it SIGTERM.
    const child = spawn(
      'setpriv',
      ['--pdeathsig', 'TERM', 'nsenter', `--net=${namespacePath}`, 'dnsmasq', ...args],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const dnsmasq = new Dnsmasq(child);
    try {
      await new Promise<void>((resolve, reject) => {
        let text = '';
        child.stderr?.on('data', (chunk: Buffer) => {
          text += chunk.toString();
          if (text.includes(': started')) resolve();
        });
        child.once('error', reject);
        child.once('close', () => reject(new Error(`dnsmasq ended: ${text}`)));
      });
    } catch (error) {
      await dnsmasq[Symbol.asyncDispose]();
      throw error;
    }
    return dnsmasq;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#closed;
  }
}
