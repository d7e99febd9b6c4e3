import { randomUUID } from 'node:crypto';
import { openFindings } from './open-findings.js';
import type { RouteWorld } from './route-world.js';

/**
 * What the test of all routes (src/openapi/routes.test.ts) cannot know by itself. Most routes need nothing here: a path `{id}` is that of
 * a new thing made by `POST` on the collection, or else of the first item of its list.
 */
export interface RouteFixture {
  /** A valid body, new for each request. Needed by every route that takes one. */
  readonly body?: (world: RouteWorld) => object | Promise<object>;
  /** The values of the path parameters, new for each request, where the rule above does not do. */
  readonly path?: (world: RouteWorld) => Promise<Readonly<Record<string, string>>>;
  /** Makes what the route answers with, so that its list is not empty. */
  readonly seed?: (world: RouteWorld) => Promise<unknown>;
  /** Why a request that is not a GET changes nothing and so leaves no audit event. */
  readonly changesNothing?: string;
}

/** A name that no other has. */
const unique = (what: string) => `${what} ${randomUUID().slice(0, 8)}`;

const SESSION = { probes: ['tcp_handshake'], durationSeconds: 60 };

async function triggeredSchedule(world: RouteWorld): Promise<Record<string, string>> {
  const id = await world.create('/api/v1/schedules');
  await world.control.call('POST', `/schedules/${id}/trigger`);
  return { id };
}

const findings = new WeakMap<RouteWorld, Promise<string[]>>();

/** One that nobody has touched. They open some seconds after their evidence, so many are made at once. */
async function openFinding(world: RouteWorld): Promise<Record<string, string>> {
  const made = findings.get(world) ?? openFindings(world.control, 40);
  findings.set(world, made);
  const id = (await made).pop();
  if (id === undefined) throw new Error('there are no findings left; let openFindings() make more');
  return { id };
}

async function testedWebhook(world: RouteWorld): Promise<Record<string, string>> {
  const id = await world.create('/api/v1/webhooks');
  const { body } = await world.control.call('POST', `/webhooks/${id}/test`);
  return { id, deliveryId: body.id };
}

/** By method and path as in the OpenAPI document. */
export const ROUTE_FIXTURES: Readonly<Record<string, RouteFixture>> = {
  'POST /api/v1/api-tokens': { body: () => ({ name: unique('token'), role: 'viewer' }) },
  'POST /api/v1/join-tokens': { body: () => ({ name: unique('join token'), labels: { role: 'web' } }) },
  'PATCH /api/v1/agents/{id}': { body: () => ({ labels: { tier: randomUUID().slice(0, 8) } }) },
  'DELETE /api/v1/agents/{id}': { path: async (world) => ({ id: (await world.fleet.enrol()).agentId }) },
  'POST /api/v1/trace-sessions': { body: () => ({ name: unique('session'), ...SESSION }) },
  'POST /api/v1/schedules': {
    body: () => ({
      name: unique('schedule'),
      cron: '0 3 * * *',
      timezone: 'Europe/Berlin',
      session: SESSION,
    }),
  },
  'PATCH /api/v1/schedules/{id}': { body: () => ({ name: unique('renamed') }) },
  'POST /api/v1/diagnoses': {
    body: () => ({ destination: '192.0.2.1:443' }),
    changesNothing: 'it answers from what is stored',
  },
  'GET /api/v1/findings': { seed: openFinding },
  'GET /api/v1/findings/{id}': { path: openFinding },
  'POST /api/v1/findings/{id}/acknowledge': {
    body: () => ({ comment: unique('looking at it') }),
    path: openFinding,
  },
  'POST /api/v1/findings/{id}/resolve': { body: () => ({ comment: unique('done') }), path: openFinding },
  'GET /api/v1/schedules/{id}/runs': { path: triggeredSchedule },
  'POST /api/v1/thresholds': {
    body: () => ({ name: unique('threshold'), metric: 'handshake_latency', aboveMs: 50 }),
  },
  'PATCH /api/v1/thresholds/{id}': { body: () => ({ name: unique('renamed') }) },
  'POST /api/v1/webhooks': {
    body: () => ({ name: unique('webhook'), url: 'https://bots.invalid/', events: ['finding.opened'] }),
  },
  'PATCH /api/v1/webhooks/{id}': { body: () => ({ name: unique('renamed') }) },
  'GET /api/v1/webhooks/{id}/deliveries': { path: testedWebhook },
  'GET /api/v1/webhooks/{id}/deliveries/{deliveryId}': { path: testedWebhook },
  'POST /api/v1/webhooks/{id}/deliveries/{deliveryId}/redeliver': { path: testedWebhook },
};
