import { ApiClient } from './api/api-client.js';
import { type ConnectionFlags, resolveConnection } from './connection.js';
import { escapeLines } from './output/escape.js';
import type { Surroundings } from './surroundings.js';

/** One call of the program: what a command reads, writes, and ends with. */
export class CommandRun {
  exitStatus: 0 | 1 = 0;

  constructor(readonly surroundings: Surroundings) {}

  api(flags: ConnectionFlags): ApiClient {
    const { environment, interrupted } = this.surroundings;
    return new ApiClient(resolveConnection(flags, environment), interrupted);
  }

  /** The result: what a script reads. Control characters in it are the caller's to escape. */
  print(text: string): Promise<void> {
    return this.surroundings.output.write(text);
  }

  /** A line beside the result, for people. */
  note(line: string): Promise<void> {
    return this.surroundings.errors.write(`${escapeLines(line)}\n`);
  }
}
