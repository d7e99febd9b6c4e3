import { randomUUID } from 'node:crypto';
import { enrolFakeAgent, FakeAgent, type FakeAgentOptions, type FakeIdentity } from '@synscope/testing';
import type { TestApplication, TestResponse } from './test-application.js';

/** Agents for tests of what agents are needed for. */
export interface TestFleet {
  readonly address: string;
  joinToken(body?: Readonly<Record<string, unknown>>): Promise<string>;
  enrol(labels?: Readonly<Record<string, string>>, hostname?: string): Promise<FakeIdentity>;
  connect(identity: FakeIdentity, options?: Partial<FakeAgentOptions>): Promise<FakeAgent>;
  /** Enrols and connects. */
  agent(labels?: Readonly<Record<string, string>>, options?: Partial<FakeAgentOptions>): Promise<FakeAgent>;
  session(body?: Readonly<Record<string, unknown>>, query?: string): Promise<TestResponse>;
  /** Drops what is still connected. */
  close(): Promise<void>;
}

export function testFleet(application: TestApplication): TestFleet {
  const address = application.grpcAddress ?? '';
  const agents: FakeAgent[] = [];
  const fleet: TestFleet = {
    address,
    joinToken: async (body = {}) => {
      const created = await application.call('POST', '/join-tokens', { body: { name: 'test', ...body } });
      return created.body.token;
    },
    enrol: async (labels = {}, hostname = `host-${randomUUID().slice(0, 8)}`) =>
      enrolFakeAgent({ address, joinToken: await fleet.joinToken(), labels, hostname }),
    connect: async (identity, options = {}) => {
      const agent = await FakeAgent.connect({ address, identity, ...options });
      agents.push(agent);
      return agent;
    },
    agent: async (labels = {}, options = {}) => {
      const hostname = options.hello?.hostname ?? `host-${randomUUID().slice(0, 8)}`;
      return fleet.connect(await fleet.enrol(labels, hostname), {
        ...options,
        hello: { hostname, labels: { ...labels }, ...options.hello },
      });
    },
    session: (body = {}, query = '') =>
      application.call('POST', `/trace-sessions${query}`, { body: { probes: ['tcp_handshake'], ...body } }),
    close: async () => {
      await Promise.all(agents.map((agent) => agent.disconnect()));
    },
  };
  return fleet;
}
