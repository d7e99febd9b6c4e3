import { run } from '../../apps/cli/src/run.ts';
import { type Destination, ReaderGone } from '../../apps/cli/src/surroundings.ts';

export interface CliOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** Output and errors are a terminal with so many characters per line. */
  readonly terminalColumns?: number;
  readonly interrupted?: AbortSignal;
  /** Called with everything that was printed so far. */
  readonly onOutput?: (text: string) => void;
  /** The reader closes the output after so many writes. */
  readonly writesUntilGone?: number;
}

export interface CliResult {
  readonly status: number;
  readonly output: string;
  readonly errors: string;
}

/** `synscope ARGUMENTS` in this process. */
export async function runCli(argv: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const texts = { output: '', errors: '' };
  let writesLeft = options.writesUntilGone ?? Number.POSITIVE_INFINITY;
  const destination = (name: keyof typeof texts): Destination => ({
    write: async (text) => {
      if (name === 'output' && writesLeft-- <= 0) throw new ReaderGone('EPIPE');
      texts[name] += text;
      if (name === 'output') options.onOutput?.(texts.output);
    },
    isTerminal: options.terminalColumns !== undefined,
    hasColors: options.terminalColumns !== undefined && options.environment?.['NO_COLOR'] === undefined,
    columns: options.terminalColumns,
  });
  const status = await run({
    argv,
    environment: { HOME: '/nonexistent', ...options.environment },
    output: destination('output'),
    errors: destination('errors'),
    interrupted: options.interrupted ?? new AbortController().signal,
  });
  return { status, ...texts };
}
