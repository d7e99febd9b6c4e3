import { z } from 'zod';

type JsonObject = Record<string, unknown>;
export type SchemaDirection = 'input' | 'output';

/**
 * A zod schema as OpenAPI 3.1 has it (JSON Schema 2020-12). A named schema that looks different from the two sides, such as one with
 * defaults, which a request may leave out and an answer always has, is listed twice: in requests its name ends in Input.
 */
export function convertSchema(
  schema: unknown,
  direction: SchemaDirection,
): { schema: JsonObject; components: Record<string, JsonObject> } | undefined {
  if (!(schema instanceof z.ZodType)) return undefined;
  const converted = toJsonSchema(schema, direction);
  if (direction === 'output') return split(converted);
  const renamed = differingNames(schema, definitionsOf(converted));
  const text = renamed.reduce(
    (json, name) => json.replaceAll(`"#/$defs/${name}"`, `"#/$defs/${name}Input"`),
    JSON.stringify(converted),
  );
  const { schema: root, components } = split(JSON.parse(text));
  const entries = Object.entries(components).map(([name, definition]) => [
    renamed.includes(name) ? `${name}Input` : name,
    definition,
  ]);
  return { schema: root, components: Object.fromEntries(entries) };
}

function toJsonSchema(schema: z.ZodType, io: SchemaDirection): JsonObject {
  return z.toJSONSchema(schema, { io, target: 'draft-2020-12', unrepresentable: 'any' }) as JsonObject;
}

function definitionsOf(converted: JsonObject): Record<string, JsonObject> {
  return (converted['$defs'] ?? {}) as Record<string, JsonObject>;
}

function split(converted: JsonObject): { schema: JsonObject; components: Record<string, JsonObject> } {
  const { $defs: _definitions, $schema: _dialect, ...schema } = converted;
  return { schema, components: definitionsOf(converted) };
}

/** Those whose input and output differ, and those that refer to one of them. */
function differingNames(schema: z.ZodType, inputs: Record<string, JsonObject>): string[] {
  const outputs = definitionsOf(toJsonSchema(schema, 'output'));
  const differing = new Set(
    Object.keys(inputs).filter(
      (name) => outputs[name] && JSON.stringify(inputs[name]) !== JSON.stringify(outputs[name]),
    ),
  );
  for (let before = -1; before !== differing.size; ) {
    before = differing.size;
    for (const [name, definition] of Object.entries(inputs)) {
      const text = JSON.stringify(definition);
      if ([...differing].some((other) => text.includes(`"#/$defs/${other}"`))) differing.add(name);
    }
  }
  return [...differing];
}
