import type { Role } from '@synscope/api-contract';
import type { FakeAgent } from '@synscope/testing';
import { dnsQueryRecord } from './dns-query-record.js';
import { type TestFleet, testFleet } from './fleet.js';
import { handshakeRecord } from './handshake-batch.js';
import { listenerRecord } from './listener-record.js';
import { nameLookupRecord } from './name-lookup-record.js';
import { receiveQueueDropRecord } from './receive-queue-drop-record.js';
import { type BatchContents, recordBatch } from './record-batch.js';
import { ROUTE_FIXTURES, type RouteFixture } from './route-fixtures.js';
import { isChange, pathParametersOf, type ServedRoute } from './served-routes.js';
import type { TestApplication } from './test-application.js';

const WHERE = 'in ROUTE_FIXTURES of apps/control-plane/src/testing/route-fixtures.ts';

/** Real objects for requests to any route: an agent that is connected, a session that runs on it, and a record of each kind. */
export class RouteWorld {
  readonly fleet: TestFleet;
  readonly #paths = new Map<string, string>();
  #sent = 0;

  private constructor(
    readonly control: TestApplication,
    readonly routes: readonly ServedRoute[],
    readonly tokens: Readonly<Record<Role, string>>,
  ) {
    this.fleet = testFleet(control);
  }

  static async create(control: TestApplication, routes: readonly ServedRoute[]): Promise<RouteWorld> {
    const tokens = {
      viewer: await control.tokenFor('viewer'),
      operator: await control.tokenFor('operator'),
      admin: await control.tokenFor('admin'),
    };
    const world = new RouteWorld(control, routes, tokens);
    const agent = await world.fleet.agent({ env: 'test' });
    const session = await world.fleet.session(
      { probes: ['tcp_handshake', 'dns', 'name_lookup', 'listener'] },
      '?wait=20s',
    );
    const common = { sessionIds: [session.body.id] };
    await world.store(agent, {
      handshakes: [handshakeRecord(common)],
      dnsQueries: [dnsQueryRecord(common)],
      nameLookups: [nameLookupRecord(common)],
      receiveQueueDrops: [receiveQueueDropRecord(common)],
      listeners: [listenerRecord(common)],
    });
    return world;
  }

  /** What agents report, stored when this resolves. */
  async store(agent: FakeAgent, contents: BatchContents): Promise<void> {
    agent.batch(recordBatch(++this.#sent, contents));
    await agent.acks.next();
  }

  fixtureOf({ name }: ServedRoute): RouteFixture {
    return ROUTE_FIXTURES[name] ?? {};
  }

  /** A valid body; undefined for a route that takes none. */
  async bodyFor(route: ServedRoute): Promise<object | undefined> {
    if (!route.takesBody) return undefined;
    const { body } = this.fixtureOf(route);
    if (body) return body(this);
    throw new Error(
      `The test of all routes needs a valid body to try ${route.name} with. Add ${WHERE}:\n  '${route.name}': { body: () => ({ … }) },`,
    );
  }

  /** The path with values for its parameters: for a change new ones each time, else the same. */
  async pathFor(route: ServedRoute, { fresh = isChange(route) }: { fresh?: boolean } = {}): Promise<string> {
    const known = this.#paths.get(route.name);
    if (known !== undefined && !fresh) return known;
    const values = await this.#parametersFor(route);
    const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '');
    this.#paths.set(route.name, path);
    return path;
  }

  /** Sees to it that the route has something to answer with. */
  async prepare(route: ServedRoute): Promise<void> {
    await this.fixtureOf(route).seed?.(this);
    const creates = this.routes.some(({ method, path }) => method === 'POST' && path === route.path);
    if (route.method === 'GET' && creates && pathParametersOf(route).length === 0)
      await this.create(route.path);
  }

  /** The id of a new thing, made by POST on its collection. */
  async create(collection: string): Promise<string> {
    const route = this.routes.find(({ method, path }) => method === 'POST' && path === collection);
    if (!route) throw new Error(`there is no POST ${collection}`);
    const { status, text, body } = await this.control.call('POST', collection, {
      body: await this.bodyFor(route),
    });
    if (status !== 201) throw new Error(`POST ${collection} with the body of its fixture: ${text}`);
    return body.id;
  }

  async #parametersFor(route: ServedRoute): Promise<Readonly<Record<string, string>>> {
    const names = pathParametersOf(route);
    if (names.length === 0) return {};
    const { path } = this.fixtureOf(route);
    if (path) return path(this);
    const id =
      names.join() === 'id' ? await this.#anyId(route.path.slice(0, route.path.indexOf('/{id}'))) : undefined;
    if (id !== undefined) return { id };
    throw new Error(
      `The test of all routes needs something that is there to try ${route.name} with. Add ${WHERE}:\n` +
        `  '${route.name}': { path: async (world) => ({ ${names.map((name) => `${name}: …`).join(', ')} }) },`,
    );
  }

  async #anyId(collection: string): Promise<string | undefined> {
    const has = (wanted: string) =>
      this.routes.find(({ method, path }) => method === wanted && path === collection);
    if (has('POST')) return this.create(collection);
    const list = has('GET');
    if (!list) return undefined;
    await this.fixtureOf(list).seed?.(this);
    return (await this.control.call('GET', collection)).body.items?.[0]?.id;
  }

  async close(): Promise<void> {
    await this.fleet.close();
  }
}
