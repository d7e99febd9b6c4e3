import { z } from 'zod';
import { CliError } from '../cli-error.js';
import type { components } from '../gen/openapi.js';

type Problem = components['schemas']['Problem'];

const problemSchema: z.ZodType<Pick<Problem, 'detail' | 'errors'>> = z.object({
  detail: z.string(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});

/** The control plane has refused: what it says, field by field. A request that is not valid is bad usage. */
export async function apiProblem(response: Response): Promise<CliError> {
  const text = await response.text();
  const parsed = problemSchema.safeParse(jsonOf(text));
  const exitStatus = response.status === 400 ? 2 : 1;
  if (!parsed.success) {
    const { origin } = new URL(response.url);
    return new CliError(
      `${origin} answered ${response.status} and no problem+json: is it a Synscope control plane?`,
      exitStatus,
    );
  }
  const { detail, errors = [] } = parsed.data;
  const lines = errors.map(({ path, message }) => `\n  ${flagOf(path)}: ${message}`);
  return new CliError(`${detail}${advice(response.status)}${lines.join('')}`, exitStatus);
}

function advice(status: number): string {
  switch (status) {
    case 401:
      return ' (it looks at SYNSCOPE_TOKEN, else at the configuration file)';
    case 429:
      return ' (try again later)';
    default:
      return '';
  }
}

/** The flag that has set a field or parameter: those of the API in kebab case. Of a session's filter the last part. */
function flagOf(path: string): string {
  const name = /^(?:session\.)?(?:filter\.)?([A-Za-z]+)(?:[.[]\d+\]?)?$/.exec(path)?.[1];
  return name === undefined ? path : `${path} (--${kebabCase(name)})`;
}

export function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
