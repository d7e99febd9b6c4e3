import { ROLES, type Role } from '@synscope/api-contract';
import type { TestApplication } from './test-application.js';

/** A route as the served OpenAPI document describes it. */
export interface ServedRoute {
  /** `GET /api/v1/agents/{id}`. */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  /** Null for routes that need no token. */
  readonly role: Role | null;
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly takesBody: boolean;
  /** Content types by status. */
  readonly responses: Readonly<Record<string, readonly string[]>>;
}

interface Operation {
  readonly 'x-required-role'?: string;
  readonly security?: readonly unknown[];
  readonly parameters?: ServedRoute['parameters'];
  readonly requestBody?: unknown;
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
}

export async function readOpenApiDocument(control: TestApplication): Promise<Record<string, unknown>> {
  return (await control.call('GET', '/api/openapi.json', { token: null })).body;
}

export function routesOf(document: Record<string, unknown>): ServedRoute[] {
  const paths = document['paths'] as Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path,
      role: roleOf(operation),
      parameters: operation.parameters ?? [],
      takesBody: operation.requestBody !== undefined,
      responses: Object.fromEntries(
        Object.entries(operation.responses).map(([status, { content = {} }]) => [
          status,
          Object.keys(content),
        ]),
      ),
    })),
  );
}

function roleOf(operation: Operation): Role | null {
  return ROLES.find((role) => role === operation['x-required-role']) ?? null;
}

/** The role below; null for the least. */
export function lesserRole(role: Role): Role | null {
  return ROLES[ROLES.indexOf(role) - 1] ?? null;
}

export function isChange({ method }: ServedRoute): boolean {
  return method !== 'GET';
}

export function pathParametersOf({ path }: ServedRoute): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '');
}

/** The status of success that is documented. */
export function successOf({ responses }: ServedRoute): number {
  return Number(Object.keys(responses).find((status) => status.startsWith('2')));
}
