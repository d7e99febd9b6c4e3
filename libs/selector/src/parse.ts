import { labelKeyProblem, labelValueProblem } from './labels.js';
import type { Requirement, Selector } from './selector.js';

/** A selector that cannot be read. `position` counts characters from 1; the message names it too. */
export class SelectorSyntaxError extends Error {
  readonly position: number;

  constructor(problem: string, position: number) {
    super(`${problem} (at character ${position})`);
    this.name = 'SelectorSyntaxError';
    this.position = position;
  }
}

/**
 * Reads a label selector as Kubernetes writes it: `env=prod,role in (web,api),!canary`. Operators: `=`, `==`, `!=`, `in`, `notin`,
 * a key alone (exists), `!key` (does not exist). The empty text matches everything. Throws `SelectorSyntaxError`.
 */
export function parseSelector(text: string): Selector {
  const tokens = new Tokens(text);
  const requirements: Requirement[] = [];
  if (tokens.peek().kind === 'end') return requirements;
  for (;;) {
    requirements.push(parseRequirement(tokens));
    const next = tokens.take();
    if (next.kind === 'end') return requirements;
    if (next.kind !== ',')
      throw new SelectorSyntaxError(`expected "," or the end, found ${shown(next)}`, next.at);
  }
}

function parseRequirement(tokens: Tokens): Requirement {
  const first = tokens.take();
  if (first.kind === '!') return { operator: 'absent', key: checkedKey(tokens.take()) };
  const key = checkedKey(first);
  const operator = tokens.peek();
  switch (operator.kind) {
    case ',':
    case 'end':
      return { operator: 'exists', key };
    case '=':
    case '==':
      tokens.take();
      return { operator: 'in', key, values: [parseSingleValue(tokens)] };
    case '!=':
      tokens.take();
      return { operator: 'notin', key, values: [parseSingleValue(tokens)] };
    case 'word':
      if (operator.text === 'in' || operator.text === 'notin') {
        tokens.take();
        return { operator: operator.text, key, values: parseValueList(tokens) };
      }
      break;
  }
  throw new SelectorSyntaxError(
    `expected "=", "==", "!=", "in", "notin", "," or the end after "${key}", found ${shown(operator)}`,
    operator.at,
  );
}

/** A value may be empty: `env=` asks for the label with an empty value. */
function parseSingleValue(tokens: Tokens): string {
  const next = tokens.peek();
  if (next.kind === ',' || next.kind === 'end') return '';
  return checkedValue(tokens.take());
}

function parseValueList(tokens: Tokens): readonly string[] {
  const open = tokens.take();
  if (open.kind !== '(')
    throw new SelectorSyntaxError(`expected "(" and a list of values, found ${shown(open)}`, open.at);
  const values: string[] = [];
  for (;;) {
    const next = tokens.peek();
    // `(a,)` and `()` hold an empty value, as in Kubernetes.
    values.push(next.kind === ',' || next.kind === ')' ? '' : checkedValue(tokens.take()));
    const separator = tokens.take();
    if (separator.kind === ')') return [...new Set(values)];
    if (separator.kind !== ',') {
      throw new SelectorSyntaxError(
        `expected "," or ")" in the list of values, found ${shown(separator)}`,
        separator.at,
      );
    }
  }
}

function checkedKey(token: Token): string {
  if (token.kind !== 'word')
    throw new SelectorSyntaxError(`expected a label key, found ${shown(token)}`, token.at);
  const problem = labelKeyProblem(token.text);
  if (problem !== null)
    throw new SelectorSyntaxError(`"${token.text}" is not a label key: ${problem}`, token.at);
  return token.text;
}

function checkedValue(token: Token): string {
  if (token.kind !== 'word')
    throw new SelectorSyntaxError(`expected a label value, found ${shown(token)}`, token.at);
  const problem = labelValueProblem(token.text);
  if (problem !== null)
    throw new SelectorSyntaxError(`"${token.text}" is not a label value: ${problem}`, token.at);
  return token.text;
}

type Punctuation = '=' | '==' | '!=' | '!' | ',' | '(' | ')';

type Token =
  | { readonly kind: 'word'; readonly text: string; readonly at: number }
  | { readonly kind: Punctuation; readonly at: number }
  | { readonly kind: 'end'; readonly at: number };

function shown(token: Token): string {
  if (token.kind === 'end') return 'the end';
  return JSON.stringify(token.kind === 'word' ? token.text : token.kind);
}

const PUNCTUATION = /==|!=|[=!,()]/y;
const SPACE = /[ \t\r\n]*/y;
const WORD = /[^=!,() \t\r\n]+/y;

/** Reads the text token by token; `peek` looks at the next one without taking it. */
class Tokens {
  private offset = 0;
  private next: Token | null = null;

  constructor(private readonly text: string) {}

  peek(): Token {
    this.next ??= this.read();
    return this.next;
  }

  take(): Token {
    const token = this.peek();
    this.next = null;
    return token;
  }

  private read(): Token {
    this.match(SPACE);
    const at = this.offset + 1;
    const punctuation = this.match(PUNCTUATION);
    if (punctuation !== null) return { kind: punctuation as Punctuation, at };
    const word = this.match(WORD);
    return word === null ? { kind: 'end', at } : { kind: 'word', text: word, at };
  }

  private match(pattern: RegExp): string | null {
    pattern.lastIndex = this.offset;
    const found = pattern.exec(this.text);
    if (found === null) return null;
    this.offset += found[0].length;
    return found[0];
  }
}
