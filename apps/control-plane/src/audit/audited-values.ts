import { isDeepStrictEqual } from 'node:util';

type JsonObject = Record<string, unknown>;

// `secret`, `tokenSecret`, `secretHash`, `privateKey`, `password`, `authorization`, and `token` itself; not `tokenId`.
const SECRET_NAME =
  /secret|password|passphrase|private_?key|authorization|credential|^(bearer_?|api_?|join_?)?token$/i;
export const NOT_KEPT = '[not kept]';

/** As JSON holds it, with the values of secret names taken out. A feature should give none; this is for the day when one forgets. */
export function withoutSecrets(value: object | undefined): JsonObject | null {
  if (value === undefined) return null;
  return JSON.parse(JSON.stringify(value), (name, field: unknown) =>
    SECRET_NAME.test(name) && field !== null ? NOT_KEPT : field,
  ) as JsonObject;
}

/** What differs between the two, if there are two. */
export function withoutEqualFields(
  before: JsonObject | null,
  after: JsonObject | null,
): { before: JsonObject | null; after: JsonObject | null } {
  if (before === null || after === null) return { before, after };
  const differs = ([name]: [string, unknown]) => !isDeepStrictEqual(before[name], after[name]);
  const differing = (fields: JsonObject) => Object.fromEntries(Object.entries(fields).filter(differs));
  return { before: differing(before), after: differing(after) };
}
