import type { Command } from 'commander';
import { kebabCase } from '../api/api-problem.js';
import { CliError } from '../cli-error.js';
import type { components } from '../gen/openapi.js';
import { addFlags, type Flags, type FlagValues, valuesOf } from './flags.js';

type SessionBody = components['schemas']['TraceSessionCreateInput'];
type SessionFilter = components['schemas']['SessionFilterInput'];

const FILTER_TEXTS = {
  processNames: ['<name,…>', 'every probe: of processes with these names'],
  roles: ['<role,…>', 'handshakes as client, server, or both'],
  outcomes: ['<outcome,…>', 'handshakes that ended so'],
  remoteCidrs: ['<prefix,…>', 'handshakes with peers in these'],
  queryNames: ['<name,…>', 'DNS: exactly these names'],
  queryNameSuffixes: ['<name,…>', 'DNS: these names and all below them'],
  queryTypes: ['<type,…>', 'DNS: of these types, such as A,AAAA'],
  responseCodes: ['<code,…>', 'DNS: answered with, such as SERVFAIL'],
  dnsOutcomes: ['<outcome,…>', 'DNS: that ended so: answered, late, unanswered'],
  dnsSides: ['<side,…>', 'DNS: as client, resolver, or both'],
  dnsServers: ['<address,…>', 'DNS: asked of these servers, addresses or prefixes'],
} satisfies Flags<string>;
const FILTER_PORTS = {
  remotePorts: ['<port,…>', 'handshakes with these ports of the peer'],
  localPorts: ['<port,…>', 'handshakes with these ports of this host'],
  dnsPorts: ['<port,…>', 'DNS: ports on which it is spoken (default: 53)'],
} satisfies Flags<string>;
const FILTER_NUMBERS = {
  minLatencyMs: ['<ms>', 'every probe: took at least so many milliseconds, or failed'],
} satisfies Flags<string>;
/** A field of the filter that has no flag does not compile. */
const FILTER_FLAGS = { ...FILTER_NUMBERS, ...FILTER_TEXTS, ...FILTER_PORTS } satisfies Flags<
  keyof SessionFilter
>;

const SPEC_TEXTS = {
  name: ['<text>', 'for people'],
  selector: ['<labels>', 'agents that match, such as env=prod (default: all)'],
} satisfies Flags<string>;
const SPEC_NUMBERS = {
  sampleRate: ['<fraction>', 'how much of it to keep, above 0, at most 1 (default: 1)'],
  durationSeconds: ['<s>', 'ends by itself after so many seconds (default: 600)'],
  maxRecordsPerAgent: ['<n>', 'an agent ends it after so many records (default: 100000)'],
} satisfies Flags<string>;
const SPEC_LISTS = {
  probes: ['<probe,…>', 'tcp_handshake, dns, name_lookup, listener (default: tcp_handshake,dns)'],
} satisfies Flags<string>;
const SPEC_CHOICE = {
  targets: ['<n|n%>', 'canaries: so many of the agents that match, the same ones each time (default: all)'],
} satisfies Flags<string>;
const SPEC_FLAGS = { ...SPEC_LISTS, ...SPEC_CHOICE, ...SPEC_TEXTS, ...SPEC_NUMBERS } satisfies Flags<
  Exclude<keyof SessionBody, 'filter'>
>;

export function addSessionFlags(command: Command): void {
  addFlags(addFlags(command, SPEC_FLAGS), FILTER_FLAGS);
}

/** The body that the flags describe. What their values mean, and whether they are allowed, is the control plane's to say. */
export function sessionBody(options: object): SessionBody {
  const body = {
    probes: ['tcp_handshake', 'dns'],
    ...valuesOf(SPEC_TEXTS, options),
    ...numbers(valuesOf(SPEC_NUMBERS, options)),
    ...lists(valuesOf(SPEC_LISTS, options)),
    ...mapped(valuesOf(SPEC_CHOICE, options), choiceOf),
    filter: {
      ...numbers(valuesOf(FILTER_NUMBERS, options)),
      ...lists(valuesOf(FILTER_TEXTS, options)),
      ...ports(valuesOf(FILTER_PORTS, options)),
    },
  };
  return body as SessionBody;
}

function lists(values: FlagValues<Flags<string>>): Record<string, string[]> {
  return mapped(values, (text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  );
}

function ports(values: FlagValues<Flags<string>>): Record<string, number[]> {
  return mapped(values, (text, name) => text.split(',').map((part) => numberOf(part, name)));
}

function choiceOf(text: string, name: string): Record<string, number> {
  return text.endsWith('%')
    ? { percent: numberOf(text.slice(0, -1), name) }
    : { count: numberOf(text, name) };
}

function numbers(values: FlagValues<Flags<string>>): Record<string, number> {
  return mapped(values, numberOf);
}

function mapped<T>(
  values: FlagValues<Flags<string>>,
  map: (text: string, name: string) => T,
): Record<string, T> {
  return Object.fromEntries(Object.entries(values).map(([name, text]) => [name, map(String(text), name)]));
}

/** JSON has no word for what is no number, so that one is said here. */
export function numberOf(text: string, name: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) {
    throw new CliError(`--${kebabCase(name)}: ${JSON.stringify(text)} is no number`, 2);
  }
  return value;
}
