import { type Command, Option } from 'commander';
import type { ListPath, QueryOf } from '../api/api-client.js';
import { kebabCase } from '../api/api-problem.js';
import type { ConnectionFlags } from '../connection.js';

/** Of a flag: the name of its value (null: it has none), and what it does. */
export type FlagText = readonly [value: string | null, description: string];

/** Flags that set the parameters of the same name: `minLatencyMs` by `--min-latency-ms`. */
export type Flags<Names extends PropertyKey> = Readonly<Record<Names, FlagText>>;

/** All filters of a list; its paging, order and grouping are left to the command. */
export type FilterFlags<P extends ListPath> = Flags<
  Exclude<keyof QueryOf<P>, 'limit' | 'cursor' | 'order' | 'groupBy' | 'suffixLabels'>
>;

export type FlagValues<F> = { readonly [K in keyof F]?: string };

export const OUTPUT_FORMATS = ['table', 'json', 'ndjson', 'csv'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

export interface ConnectedOptions extends ConnectionFlags {
  readonly output: OutputFormat;
}

export interface ListOptions extends ConnectedOptions {
  readonly limit?: string;
  readonly cursor?: string;
  readonly failIfAny?: boolean;
}

export const PAGE_FLAGS = {
  limit: ['<n>', 'how many at most, 1 to 1000 (default: 100; with ndjson and csv all)'],
  cursor: ['<text>', 'the page after the one that named this cursor'],
} satisfies Flags<'limit' | 'cursor'>;

/** What every kind of record is filtered by. */
export const RECORD_FLAGS = {
  since: ['<time>', 'observed since: 90s, 15m, 24h, 7d ago or an RFC 3339 time (default: 1h)'],
  until: ['<time>', 'observed before'],
  minLatencyMs: ['<ms>', 'took at least so many milliseconds'],
  agentId: ['<id,…>', 'observed by these agents'],
  hostname: ['<name>', 'observed on the host with this name'],
  sessionId: ['<id>', 'of this trace session'],
  processName: ['<name>', 'of processes with this name'],
} satisfies Flags<string>;

export function addFlags(command: Command, flags: Flags<string>): Command {
  for (const [name, [value, description]] of Object.entries(flags)) {
    command.option(`--${kebabCase(name)}${value === null ? '' : ` ${value}`}`, description);
  }
  return command;
}

/** Of all options those that these flags have set, as parameters. */
export function valuesOf<F extends Flags<string>>(flags: F, options: object): FlagValues<F> {
  const values = Object.keys(flags).flatMap((name) => {
    const value: unknown = Reflect.get(options, name);
    return value === undefined ? [] : [[name, String(value)] as const];
  });
  return Object.fromEntries(values) as FlagValues<F>;
}

export function addConnectionFlags(command: Command): Command {
  return command
    .option('--url <url>', 'the control plane (default: SYNSCOPE_URL, else http://127.0.0.1:8080)')
    .option('--config <path>', 'configuration file with "url" and "token"');
}

export function addOutputFlag(command: Command, formats: readonly OutputFormat[] = OUTPUT_FORMATS): Command {
  return command.addOption(
    new Option('-o, --output <format>', 'in which form').choices([...formats]).default('table'),
  );
}

export function addFailIfAny(command: Command): Command {
  return command.option('--fail-if-any', 'exit with 1 if anything was found, for checks in scripts');
}

/** What every command that lists has. */
export function addListFlags(command: Command): Command {
  addFlags(command, PAGE_FLAGS);
  return addFailIfAny(addConnectionFlags(addOutputFlag(command)));
}

export function addExample(command: Command, ...lines: readonly string[]): Command {
  const text = lines.map((line) => `  ${line}`).join('\n');
  return command.addHelpText('after', `\n${lines.length > 1 ? 'Examples' : 'Example'}:\n${text}`);
}
