import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { labelKeyProblem, labelProblems, labelValueProblem } from './labels.js';
import { parseSelector, SelectorSyntaxError } from './parse.js';
import { formatSelector, matches, type Requirement } from './selector.js';

const name = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?$/);
const key = fc.oneof(
  name,
  fc
    .tuple(fc.stringMatching(/^[a-z0-9]{1,5}\.[a-z]{2,3}$/), name)
    .map(([prefix, rest]) => `${prefix}/${rest}`),
);
const value = fc.oneof(fc.constant(''), name);
const requirement: fc.Arbitrary<Requirement> = fc.oneof(
  fc.record({
    operator: fc.constantFrom('in' as const, 'notin' as const),
    key,
    values: fc.uniqueArray(value, { minLength: 1, maxLength: 4 }),
  }),
  fc.record({ operator: fc.constantFrom('exists' as const, 'absent' as const), key }),
);

function matchesText(selector: string, labels: Record<string, string>): boolean {
  return matches(parseSelector(selector), labels);
}

describe('a label selector', () => {
  it('matches everything when it is empty', () => {
    expect(matchesText('', {})).toBe(true);
    expect(matchesText('  ', { env: 'prod' })).toBe(true);
  });

  it.each([
    ['env=prod', { env: 'prod' }, true],
    ['env==prod', { env: 'test' }, false],
    ['env = prod', { env: 'prod' }, true],
    ['env=prod', {}, false],
    ['env!=prod', { env: 'test' }, true],
    ['env!=prod', {}, true],
    ['env!=prod', { env: 'prod' }, false],
    ['role in (web,api)', { role: 'api' }, true],
    ['role in (web, api)', { role: 'db' }, false],
    ['role in(web)', {}, false],
    ['role notin (web,api)', { role: 'db' }, true],
    ['role notin (web,api)', {}, true],
    ['role notin (web,api)', { role: 'web' }, false],
    ['canary', { canary: '' }, true],
    ['canary', {}, false],
    ['!canary', {}, true],
    ['! canary', { canary: 'yes' }, false],
    ['env=', { env: '' }, true],
    ['in in (in)', { in: 'in' }, true],
    ['example.com/team=a,env=prod', { 'example.com/team': 'a', env: 'prod' }, true],
    ['env=prod,role in (web,api),!canary', { env: 'prod', role: 'web' }, true],
    ['env=prod,role in (web,api),!canary', { env: 'prod', role: 'web', canary: '1' }, false],
    ['constructor', {}, false],
  ])('%s against %j is %s', (selector, labels, expected) => {
    expect(matchesText(selector, labels)).toBe(expected);
  });

  it.each([
    ['env=prod,', 10, 'expected a label key, found the end'],
    [',env', 1, 'expected a label key, found ","'],
    ['env prod', 5, 'found "prod"'],
    ['role in web', 9, 'expected "("'],
    ['role in (web', 13, 'expected "," or ")"'],
    ['env=pr*d', 5, '"pr*d" is not a label value'],
    ['-env=prod', 1, '"-env" is not a label key'],
    ['env=prod role=web', 10, 'expected "," or the end, found "role"'],
    ['env=(', 5, 'expected a label value, found "("'],
    ['Example.com/a', 1, 'lower case'],
  ])('%s is refused at character %i', (selector, position, message) => {
    expect(() => parseSelector(selector)).toThrowError(SelectorSyntaxError);
    expect(() => parseSelector(selector)).toThrowError(message);
    expect(() => parseSelector(selector)).toThrowError(`(at character ${position})`);
  });

  it('survives being written and read again', () => {
    fc.assert(
      fc.property(fc.array(requirement, { maxLength: 5 }), (selector) => {
        expect(parseSelector(formatSelector(selector))).toEqual(selector);
      }),
    );
  });

  it('either reads any text or names a position inside it', () => {
    const fragments = fc.array(
      fc.constantFrom('env', '=', '!', ',', '(', ')', ' in ', ' notin ', ' ', 'a/b', '*', 'ü'),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fragments.map((parts) => parts.join('')),
          fc.string(),
        ),
        (text) => {
          try {
            parseSelector(text);
          } catch (error) {
            expect(error).toBeInstanceOf(SelectorSyntaxError);
            const { position } = error as SelectorSyntaxError;
            expect(position).toBeGreaterThanOrEqual(1);
            expect(position).toBeLessThanOrEqual(text.length + 1);
          }
        },
      ),
    );
  });

  it('and its negation never hold for the same labels', () => {
    fc.assert(
      fc.property(
        key,
        fc.uniqueArray(value, { minLength: 1 }),
        fc.dictionary(key, value),
        (label, values, labels) => {
          const inside = matches([{ operator: 'in', key: label, values }], labels);
          expect(matches([{ operator: 'notin', key: label, values }], labels)).toBe(!inside);
          expect(matches([{ operator: 'exists', key: label }], labels)).toBe(
            !matches([{ operator: 'absent', key: label }], labels),
          );
        },
      ),
    );
  });
});

describe('label rules', () => {
  it('accept what Kubernetes accepts', () => {
    expect(labelKeyProblem('app.kubernetes.io/name')).toBeNull();
    expect(labelKeyProblem('A_b-c.9')).toBeNull();
    expect(labelKeyProblem('a'.repeat(63))).toBeNull();
    expect(labelValueProblem('')).toBeNull();
    expect(labelValueProblem('1.2.3_x')).toBeNull();
  });

  it('refuse what Kubernetes refuses', () => {
    for (const bad of ['', '/a', 'a/', 'a/b/c', 'a'.repeat(64), '_a', 'a b', `${'a'.repeat(254)}/b`, 'ü']) {
      expect(labelKeyProblem(bad), bad).not.toBeNull();
    }
    for (const bad of ['a'.repeat(64), '-a', 'a-', 'a b', 'a,b', '*'])
      expect(labelValueProblem(bad), bad).not.toBeNull();
  });

  it('name the key of each problem', () => {
    expect(labelProblems({ ok: 'yes', 'not ok': 'x', role: 'a b' }).map((problem) => problem.key)).toEqual([
      'not ok',
      'role',
    ]);
  });
});
