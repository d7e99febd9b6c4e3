/** Where text goes. */
export interface Destination {
  /** Resolves once there is room for more; rejects with {@link ReaderGone} if nobody reads. */
  write(text: string): Promise<void>;
  /** Whether it is a terminal: only there are lines rewritten and cut to its width. */
  readonly isTerminal: boolean;
  readonly hasColors: boolean;
  /** Characters per line of the terminal; undefined elsewhere. */
  readonly columns: number | undefined;
}

/** What the program has of the process around it. */
export interface Surroundings {
  /** Without node and script. */
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly output: Destination;
  readonly errors: Destination;
  /** Aborted when the person presses Ctrl-C, or the system asks us to end. */
  readonly interrupted: AbortSignal;
}

/** The reader of our output has closed it, as `head` does. */
export class ReaderGone extends Error {
  override readonly name = 'ReaderGone';
}
