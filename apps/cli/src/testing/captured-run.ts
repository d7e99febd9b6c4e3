import { run } from '../run.js';
import type { Destination } from '../surroundings.js';

export interface CapturedRun {
  readonly status: number;
  readonly output: string;
  readonly errors: string;
}

/** The program in this process, neither output a terminal. */
export async function capturedRun(
  argv: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<CapturedRun> {
  const texts = { output: '', errors: '' };
  const destination = (name: keyof typeof texts): Destination => ({
    write: async (text) => {
      texts[name] += text;
    },
    isTerminal: false,
    hasColors: false,
    columns: undefined,
  });
  const status = await run({
    argv,
    environment: { HOME: '/nonexistent', ...environment },
    output: destination('output'),
    errors: destination('errors'),
    interrupted: new AbortController().signal,
  });
  return { status, ...texts };
}
