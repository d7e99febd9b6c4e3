import 'reflect-metadata';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';

interface RouteArgument {
  readonly index: number;
  readonly data?: unknown;
  readonly schema?: unknown;
}

export interface RouteInputs {
  readonly body: boolean;
  readonly query: boolean;
  /** Inputs that are read without a schema. */
  readonly unchecked: readonly string[];
}

const KINDS: ReadonlyMap<number, 'body' | 'query' | 'path parameter'> = new Map([
  [RouteParamtypes.BODY, 'body'],
  [RouteParamtypes.QUERY, 'query'],
  [RouteParamtypes.PARAM, 'path parameter'],
]);

/** Which inputs a handler's decorators read. */
export function routeInputs(controller: object, handlerName: string): RouteInputs {
  const metadata: Record<string, RouteArgument> =
    Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, handlerName) ?? {};
  const inputs = Object.entries(metadata).flatMap(([key, { schema }]) => {
    // `<kind>:<index>`; custom decorators have a random key.
    const kind = KINDS.get(Number(/^(\d+):\d+$/.exec(key)?.[1]));
    return kind ? [{ kind, schema }] : [];
  });
  return {
    body: inputs.some(({ kind }) => kind === 'body'),
    query: inputs.some(({ kind }) => kind === 'query'),
    unchecked: inputs.filter(({ schema }) => !schema).map(({ kind }) => kind),
  };
}
