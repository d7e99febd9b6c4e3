import type { FastifyInstance } from 'fastify';
import { ApiError } from '../errors/api-error.js';

/** Which methods each path takes, as its routes are registered. Fastify's router tells only whether one method is taken. */
export class RouteTable {
  readonly #paths = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();

  constructor(fastify: FastifyInstance) {
    fastify.addHook('onRoute', ({ url, method }) => {
      const path = this.#paths.get(url) ?? { pattern: patternOf(url), methods: new Set() };
      this.#paths.set(url, path);
      for (const each of [method].flat()) path.methods.add(each);
    });
  }

  /** In alphabetical order; none if there is no such path. */
  methodsOf(url: string): string[] {
    const path = url.split('?', 1)[0] ?? '';
    const found = [...this.#paths.values()].filter(({ pattern }) => pattern.test(path));
    return [...new Set(found.flatMap(({ methods }) => [...methods]))].sort();
  }
}

/** RFC 9110, 15.5.6: with an Allow header. */
export function methodNotAllowed(method: string, methods: readonly string[]): ApiError {
  const allowed = methods.join(', ');
  return new ApiError('method_not_allowed', `This route does not take ${method}, but ${allowed}`, {
    headers: { allow: allowed },
  });
}

/** `/agents/:id` takes one part of a path where the name is. */
function patternOf(url: string): RegExp {
  const parts = url
    .split('/')
    .map((part) => (part.startsWith(':') ? '[^/]+' : part.replaceAll(/\W/g, '\\$&')));
  return new RegExp(`^${parts.join('/')}$`);
}
