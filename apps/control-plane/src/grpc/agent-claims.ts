import { labelProblems } from '@synscope/selector';
import { GrpcStatusError } from './grpc-status.js';

const MAX_LABELS = 64;

// C0 and C1 controls and DEL: they could rewrite a terminal, and Postgres refuses the first of them.
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for.
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f]/g;

/** Text that an agent chose, without control characters. Longer than the contract allows: INVALID_ARGUMENT that names the field. */
export function claimedText(field: string, text: string, maxCharacters: number): string {
  if (text.length > maxCharacters) {
    throw new GrpcStatusError(
      'INVALID_ARGUMENT',
      `${field} has ${text.length} characters, at most ${maxCharacters} are allowed`,
    );
  }
  return text.replace(CONTROL_CHARACTERS, '\ufffd');
}

/** What a host calls itself. https://www.man7.org/linux/man-pages/man7/hostname.7.html allows 253 characters in a full name. */
export function claimedHostname(hostname: string): string {
  if (hostname === '') throw new GrpcStatusError('INVALID_ARGUMENT', 'hostname is empty');
  return claimedText('hostname', hostname, 253);
}

/** Labels that an agent gives itself. INVALID_ARGUMENT names the first that breaks the rules. */
export function claimedLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const count = Object.keys(labels).length;
  if (count > MAX_LABELS) {
    throw new GrpcStatusError(
      'INVALID_ARGUMENT',
      `labels: ${count} labels, at most ${MAX_LABELS} are allowed`,
    );
  }
  const [problem] = labelProblems(labels);
  if (problem !== undefined) {
    throw new GrpcStatusError(
      'INVALID_ARGUMENT',
      `labels: ${JSON.stringify(problem.key)}: ${problem.message}`,
    );
  }
  return labels;
}
