import { afterAll, describe, expect, it } from 'vitest';
import { AnswerSchemas } from '../testing/answer-schemas.js';
import { EventReader } from '../testing/event-reader.js';
import { ROUTE_FIXTURES } from '../testing/route-fixtures.js';
import { RouteWorld } from '../testing/route-world.js';
import {
  isChange,
  lesserRole,
  pathParametersOf,
  readOpenApiDocument,
  routesOf,
  type ServedRoute,
  successOf,
} from '../testing/served-routes.js';
import { startTestApplication, type TestResponse } from '../testing/test-application.js';

const control = await startTestApplication();
const document = await readOpenApiDocument(control);
const routes = routesOf(document);
const schemas = new AnswerSchemas(document);
const world = await RouteWorld.create(control, routes);
/** What answers showed once and nobody may find again. */
const secrets: string[] = [];
afterAll(async () => {
  await world.close();
  await control.close();
});

interface RequestOptions {
  readonly token?: string | null;
  readonly query?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
}

/** A valid request but for what is asked; answered as documented, whatever the answer is. */
async function request(route: ServedRoute, options: RequestOptions = {}): Promise<TestResponse> {
  const path = options.path ?? (await world.pathFor(route, { fresh: false }));
  const body = 'body' in options ? options.body : await world.bodyFor(route);
  const answer = await control.call(route.method, `${path}${options.query ?? ''}`, {
    ...(body !== undefined && { body }),
    ...(options.headers && { headers: options.headers }),
    token: options.token === undefined ? tokenFor(route) : options.token,
  });
  if (contentTypeOf(answer) === 'application/problem+json' && route.responses[String(answer.status)]) {
    expect(schemas.faults(route, answer.status, contentTypeOf(answer), answer.body), answer.text).toEqual([]);
  }
  return answer;
}

/** That of the least role that may call the route, so that a success proves this role to be enough. */
function tokenFor({ role }: ServedRoute): string | null {
  return role && world.tokens[role];
}

function contentTypeOf({ headers }: TestResponse): string {
  return (headers.get('content-type') ?? '').split(';')[0] ?? '';
}

function problem(status: number, code: string): object {
  return { status, code, type: `urn:synscope:problem:${code}` };
}

const isList = ({ responses }: ServedRoute) => responses['200']?.includes('text/csv') ?? false;
const isEventStream = ({ responses }: ServedRoute) =>
  responses['200']?.includes('text/event-stream') ?? false;
const byName = (list: readonly ServedRoute[]) => list.map((route) => [route.name, route] as const);
const guarded = routes.filter(({ role }) => role !== null);
const changing = routes.filter(isChange);

describe.each(byName(guarded))('%s', (name, route) => {
  it('is refused without a token', async () => {
    const { body } = await request(route, { token: null });
    expect(body, name).toMatchObject(problem(401, 'unauthenticated'));
  });

  const lesser = route.role && lesserRole(route.role);
  if (lesser)
    it('is refused below its role', async () => {
      const token = world.tokens[lesser];
      const { body } = await request(route, { token });
      expect(body, name).toMatchObject(problem(403, 'forbidden'));
    });

  it('refuses a parameter that it does not know', async () => {
    const { body } = await request(route, { query: '?nonsense=1' });
    expect(body).toMatchObject(problem(400, 'invalid_request'));
    expect(body.errors).toEqual([
      { path: 'nonsense', message: expect.stringMatching(/^unknown parameter|no query/) },
    ]);
  });

  if (route.method !== 'GET')
    it('refuses a field that it does not know', async () => {
      const body = { ...(await world.bodyFor(route)), nonsense: 1 };
      const answer = await request(route, { body });
      expect(answer.body).toMatchObject(problem(400, 'invalid_request'));
      expect(answer.body.errors).toEqual([
        { path: 'nonsense', message: expect.stringMatching(/^unknown field|takes no body/) },
      ]);
    });

  if (route.takesBody)
    it('refuses a body that is no JSON, or is said to be something else', async () => {
      expect((await request(route, { body: '{"name": ' })).body).toMatchObject(
        problem(400, 'malformed_json'),
      );
      const text = { 'content-type': 'text/plain' };
      expect((await request(route, { headers: text })).body).toMatchObject(
        problem(415, 'unsupported_media_type'),
      );
    });

  if (pathParametersOf(route).includes('id'))
    it('refuses an id that is none, and one that nothing has', async () => {
      const withId = (id: string) => request(route, { path: route.path.replaceAll(/\{\w+\}/g, id) });
      expect((await withId('1')).body).toMatchObject(problem(400, 'invalid_request'));
      expect((await withId('01890a5d-ac96-774b-bcce-b302099a8057')).body).toMatchObject(
        problem(404, 'not_found'),
      );
    });
});

describe.each(byName(routes.filter((route) => !isEventStream(route))))('%s', (name, route) => {
  it('answers its role as the document says', async () => {
    await world.prepare(route);
    const path = await world.pathFor(route);
    const answer = await request(route, { path });
    expect(answer.status, `${name} with the body of its fixture: ${answer.text}`).toBe(successOf(route));
    const body = contentTypeOf(answer).endsWith('json') ? answer.body : answer.text;
    const faults = schemas.faults(route, answer.status, contentTypeOf(answer), body);
    expect(faults, answer.text.slice(0, 1_000)).toEqual([]);
    if (isChange(route)) await expectAudited(route, answer);
    if (isList(route)) await expectItems(route, path, answer);
  });
});

async function expectAudited(route: ServedRoute, answer: TestResponse): Promise<void> {
  for (const secret of ['token', 'secret'].map((field) => answer.body[field]))
    if (secret) secrets.push(secret);
  if (world.fixtureOf(route).changesNothing !== undefined) return;
  const requestId = answer.headers.get('x-request-id');
  const events = await control.call('GET', `/audit-events?requestId=${requestId}`);
  const hint = `${route.name} left no audit event with what its service knows: call AuditTrail.record(manager, actor, { action, resource, before, after }) in its transaction (README.md of the control plane), or say in its fixture what \`changesNothing\``;
  const expected = {
    source: { address: '127.0.0.1', requestId },
    ...(successOf(route) === 201 &&
      !pathParametersOf(route).length && { before: null, after: expect.any(Object) }),
    ...(route.method === 'DELETE' && { before: expect.any(Object), after: null }),
    ...(['PATCH', 'PUT'].includes(route.method) && { before: expect.any(Object), after: expect.any(Object) }),
  };
  expect(events.body.items, hint).toContainEqual(expect.objectContaining(expected));
}

async function expectItems(route: ServedRoute, path: string, { body, text }: TestResponse): Promise<void> {
  const hint = `${route.name} is empty, which proves nothing of its items: let \`seed\` in its fixture make one`;
  expect(body.items.length, hint).toBeGreaterThan(0);
  const asCsv = await request(route, { path, headers: { accept: 'text/csv' } });
  const asNdjson = await request(route, { path, headers: { accept: 'application/x-ndjson' } });
  const lines = asNdjson.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.length).toBeGreaterThan(0);
  for (const item of lines) expect(schemas.itemFaults(route, item), text).toEqual([]);
  expect(asCsv.text.split('\r\n').length).toBeGreaterThanOrEqual(lines.length + 2);
}

describe.each(byName(routes.filter(isEventStream)))('%s', (_name, route) => {
  it('sends events as the document says', async () => {
    const path = (await world.pathFor(route)).replace('/api/v1', '');
    const reader = await EventReader.open(control, path, { token: tokenFor(route) ?? '' });
    const contentType = String(reader.response.headers['content-type']).split(';')[0] ?? '';
    expect(schemas.faults(route, 200, contentType, await reader.next())).toEqual([]);
    reader.leave();
  });
});

describe('all routes', () => {
  it('know what to answer to a method that they do not take', async () => {
    for (const path of new Set(routes.map((route) => route.path))) {
      const methods = routes.filter((route) => route.path === path).map(({ method }) => method);
      const allowed = [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].sort().join(', ');
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        if (methods.includes(method)) continue;
        const answer = await control.call(method, path.replaceAll(/\{\w+\}/g, 'x'));
        expect(answer.body, `${method} ${path}`).toMatchObject(problem(405, 'method_not_allowed'));
        expect(answer.headers.get('allow'), `${method} ${path}`).toBe(allowed);
      }
    }
  });

  it('that change something leave no secret in the audit trail', async () => {
    const trail = await control.call('GET', '/audit-events', { headers: { accept: 'application/x-ndjson' } });
    expect(secrets.length).toBeGreaterThan(0);
    for (const secret of secrets) expect(trail.text).not.toContain(secret);
    expect(trail.text).toContain('api_token.create');
  });

  it('have fixtures only as long as they are there', () => {
    const names = new Set(routes.map(({ name }) => name));
    expect(Object.keys(ROUTE_FIXTURES).filter((name) => !names.has(name))).toEqual([]);
    expect(changing.length).toBeGreaterThan(0);
  });
});
