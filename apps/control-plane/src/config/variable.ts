import { z } from 'zod';
import { StartupError } from '../lifecycle/startup-error.js';

export interface VariableOptions {
  /** One or two sentences for the person who runs the control plane: meaning, unit, range. */
  readonly description: string;
  /** The text that stands for an absent variable. Without a default the variable is required. */
  readonly default?: string;
  /** A value that would work, for the documentation and for error messages. */
  readonly example?: string;
  /** What to do if it is missing or wrong, when the description does not say it already. */
  readonly fix?: string;
  /** Whether its value may hold a password and is not to be shown. */
  readonly secret?: boolean;
}

export interface VariableDefinition extends VariableOptions {
  readonly name: string;
  readonly property: string;
  readonly schema: z.ZodType;
}

const definitionsByClass = new Map<object, VariableDefinition[]>();

/** Binds a property of a configuration class to an environment variable; the schema reads its text. */
export function Variable<T>(name: string, schema: z.ZodType<T>, options: VariableOptions) {
  return <K extends string>(target: { readonly [property in K]: T }, property: K): void => {
    const definitions = definitionsByClass.get(target) ?? [];
    definitions.push({ ...options, name, property, schema });
    definitionsByClass.set(target, definitions);
  };
}

export function variablesOf(configurationClass: {
  readonly prototype: object;
}): readonly VariableDefinition[] {
  return definitionsByClass.get(configurationClass.prototype) ?? [];
}

/** Every variable's value by property name. Throws one StartupError that names each wrong variable and its fix. */
export function readVariables(
  definitions: readonly VariableDefinition[],
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const definition of definitions) {
    // An empty variable is what `VAR= npm start` and unset Compose substitutions give: the same as none.
    const text = environment[definition.name] || definition.default;
    if (text === undefined) {
      problems.push(`${definition.name} is not set. ${fixOf(definition)}`);
      continue;
    }
    const result = definition.schema.safeParse(text);
    if (result.success) values[definition.property] = result.data;
    else problems.push(`${shown(definition, text)}: ${issueText(result.error)}. ${fixOf(definition)}`);
  }
  if (problems.length > 0) throw new StartupError(problems.join('\n'));
  return values;
}

function shown({ name, secret }: VariableDefinition, text: string): string {
  return secret ? name : `${name}=${JSON.stringify(text)}`;
}

function issueText(error: z.ZodError): string {
  return error.issues.map((issue) => issue.message).join('; ');
}

function fixOf(definition: VariableDefinition): string {
  if (definition.fix) return definition.fix;
  const example = definition.example ?? definition.default;
  return example ? `Set it to something like ${definition.name}=${example}` : definition.description;
}
