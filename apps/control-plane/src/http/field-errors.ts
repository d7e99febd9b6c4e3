import { z } from 'zod';
import type { FieldError } from '../errors/api-error.js';

const MOST_ERRORS = 50;

/** What a schema found wrong, field by field, in the words of the caller. */
export function fieldErrors(
  error: z.ZodError,
  schema: z.ZodType,
  value: unknown,
  noun: 'field' | 'parameter',
): FieldError[] {
  return error.issues.flatMap((issue) => describe(issue, schema, value, noun)).slice(0, MOST_ERRORS);
}

function describe(issue: z.core.$ZodIssue, schema: z.ZodType, value: unknown, noun: string): FieldError[] {
  if (issue.code === 'unrecognized_keys') {
    const known = fieldNames(schemaAt(schema, issue.path));
    const hint = known.length > 0 ? `; known: ${known.join(', ')}` : '';
    return issue.keys.map((key) => ({
      path: formatPath([...issue.path, key]),
      message: `unknown ${noun}${hint}`,
    }));
  }
  const path = formatPath(issue.path);
  if (isMissing(value, issue.path) && issue.code !== 'custom') {
    return [{ path, message: `is needed: ${lowerFirst(issue.message)}` }];
  }
  if (issue.code === 'invalid_key') {
    // The rule that the key broke is one level down.
    return [{ path, message: issue.issues.map(({ message }) => message).join('; ') || issue.message }];
  }
  return [{ path, message: lowerFirst(issue.message) }];
}

function formatPath(path: readonly PropertyKey[]): string {
  return path.map(String).join('.');
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (current, key) =>
      typeof current === 'object' && current !== null ? Reflect.get(current, key) : undefined,
    value,
  );
}

/** An element of a list that was sent as text (`a,b`) has a path, but nothing there that could be missing. */
function isMissing(value: unknown, path: readonly PropertyKey[]): boolean {
  const parent = valueAt(value, path.slice(0, -1));
  return (
    path.length > 0 && typeof parent === 'object' && parent !== null && valueAt(value, path) === undefined
  );
}

function schemaAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): z.core.$ZodType | undefined {
  return path.reduce<z.core.$ZodType | undefined>((current, key) => {
    const inner = current && unwrap(current);
    if (inner instanceof z.ZodObject) return inner.shape[String(key)];
    if (inner instanceof z.ZodArray) return inner.element;
    return undefined;
  }, schema);
}

function fieldNames(schema: z.core.$ZodType | undefined): string[] {
  const inner = schema && unwrap(schema);
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}

/** The schema beneath `.optional()`, `.default()`, `.prefault()`, `.nullable()` and transforms. */
export function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodPipe)
    return unwrap(schema.in instanceof z.ZodTransform ? schema.out : schema.in);
  const { def } = schema._zod;
  return 'innerType' in def && def.innerType instanceof z.ZodType ? unwrap(def.innerType) : schema;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
