/** A registry of numbers, most of which have a name. */
export interface NumberedNames {
  /** The name; for a number without one the prefix and the number, such as TYPE65280. */
  nameOf(number: number): string;
  /** Reads what {@link nameOf} gives, in any case, and the prefixed form of named numbers too; null for all else. */
  numberOf(text: string): number | null;
}

/** `names` are in upper case, `maximum` is the highest number that there is. */
export function numberedNames(
  names: Readonly<Record<number, string>>,
  prefix: string,
  maximum: number,
): NumberedNames {
  const numbers = new Map(Object.entries(names).map(([number, name]) => [name, Number(number)]));
  const prefixed = new RegExp(`^${prefix}(\\d{1,5})$`);
  return {
    nameOf: (number) => names[number] ?? `${prefix}${number}`,
    numberOf: (text) => {
      const upper = text.toUpperCase();
      const named = numbers.get(upper);
      if (named !== undefined) return named;
      const number = Number(prefixed.exec(upper)?.[1] ?? Number.NaN);
      return number <= maximum ? number : null;
    },
  };
}
