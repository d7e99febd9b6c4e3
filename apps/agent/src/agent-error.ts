/**
 * Everything that ends the agent with a message for people.
 * - `bad_usage`: command line, environment or configuration file;
 * - `token_malformed`, `token_refused`: the join token is no token, or the control plane does not take it;
 * - `enrolment_refused`: the control plane refused for another reason that a retry does not change;
 * - `server_not_trusted`: whoever answers at the address is not the control plane that the token pins;
 * - `not_enrolled`: no identity on disk and no token;
 * - `certificate_expired`: away for longer than the certificate lived, and no token;
 * - `copied`: another agent lives by the same identity, of which this host has a copy, and there is no token for one of its own;
 * - `revoked`: the control plane has revoked this agent;
 * - `data_directory`: the data directory cannot be used.
 */
export type AgentErrorCode =
  | 'bad_usage'
  | 'token_malformed'
  | 'token_refused'
  | 'enrolment_refused'
  | 'server_not_trusted'
  | 'not_enrolled'
  | 'certificate_expired'
  | 'copied'
  | 'revoked'
  | 'data_directory';

export class AgentError extends Error {
  override readonly name = 'AgentError';

  constructor(
    readonly code: AgentErrorCode,
    message: string,
  ) {
    super(message);
  }

  /** Of the process. */
  get exitStatus(): number {
    return EXIT_STATUS[this.code];
  }
}

const EXIT_STATUS: Readonly<Record<AgentErrorCode, number>> = {
  bad_usage: 2,
  token_malformed: 2,
  not_enrolled: 2,
  token_refused: 1,
  enrolment_refused: 1,
  server_not_trusted: 1,
  certificate_expired: 1,
  copied: 1,
  revoked: 1,
  data_directory: 1,
};
