import { spawn } from 'node:child_process';
import {
  FrameSplitter,
  FrameType,
  PROBE_WIRE_VERSION,
  type ProbeHello,
  ProbeWireError,
  parseHello,
} from '@synscope/probe-wire';
import { CliError } from '../cli-error.js';

/** It looks at the kernel first; on a slow host that takes a second. Milliseconds. */
const LONGEST_ANSWER_MS = 15_000;
/** Of what it says on its standard error, bytes. */
const KEPT_ERRORS = 4_096;

/** Runs the probe until it has said what it can measure here. It attaches nothing: it does that only when configured. Throws CliError. */
export async function askProbe(path: string): Promise<ProbeHello> {
  const child = spawn(path, [], { stdio: ['pipe', 'pipe', 'pipe'], timeout: LONGEST_ANSWER_MS });
  // It ends when its standard input does; until then it must stay open.
  child.stdin.on('error', () => undefined);
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-KEPT_ERRORS);
  });
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => {
      const said = errors.trim();
      reject(new CliError(`the probe ${path} ${reason}${said && `; it said: ${said}`}`));
    };
    const splitter = new FrameSplitter((type, payload) => {
      if (type !== FrameType.hello) return;
      const hello = parseHello(payload);
      if (hello.wireVersion !== PROBE_WIRE_VERSION) {
        throw new ProbeWireError(
          `speaks wire version ${hello.wireVersion}, this program ${PROBE_WIRE_VERSION}: install the two from one release`,
        );
      }
      resolve(hello);
      child.stdin.end();
    });
    child.stdout.on('data', (chunk: Buffer) => {
      try {
        splitter.push(chunk);
      } catch (error) {
        if (!(error instanceof ProbeWireError)) throw error;
        fail(error.message);
        child.kill('SIGKILL');
      }
    });
    child.once('error', ({ message }) => fail(`cannot be run: ${message}`));
    // After a greeting both are without effect.
    child.once('close', (code, signal) =>
      fail(
        signal === null
          ? `ended with status ${code} and no greeting`
          : `gave no greeting within 15 s (${signal})`,
      ),
    );
  });
}
