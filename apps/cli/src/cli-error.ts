/** 1: it failed. 2: it was called in a way that cannot work. */
export type FailureStatus = 1 | 2;

/** A failure that its message explains, to the person who called. */
export class CliError extends Error {
  override readonly name = 'CliError';

  constructor(
    message: string,
    readonly exitStatus: FailureStatus = 1,
  ) {
    super(message);
  }
}
