import type { RecordConditions } from './record-conditions.js';

/**
 * The names and everything below them, whole labels only. The root is above all names. `boundary` gives a further condition on what stands
 * before the dot, where a dot need not be a boundary.
 */
export function addSuffixes(
  conditions: RecordConditions,
  column: string,
  suffixes: readonly string[] | undefined,
  boundary?: (before: string) => string,
): RecordConditions {
  if (!suffixes || suffixes.includes('.')) return conditions;
  const names = `${column} = ANY (${conditions.place(suffixes)}::text[])`;
  const below = suffixes.map((suffix) => {
    const dotted = `.${suffix}`;
    const ends = `right(${column}, ${dotted.length}) = ${conditions.place(dotted)}`;
    return boundary ? `${ends} AND ${boundary(`left(${column}, -${dotted.length})`)}` : ends;
  });
  return conditions.add(`(${[names, ...below].join(' OR ')})`);
}
