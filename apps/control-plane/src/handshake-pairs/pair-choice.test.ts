import { describe, expect, it } from 'vitest';
import { type Candidate, choosePairs } from './pair-choice.js';

interface End {
  readonly id: string;
  readonly agent: string;
  readonly observedUs: number;
  /** What its record calls local and remote, as the client does. */
  readonly ends?: string;
}

/** Every client with every server, as the join finds them. */
function candidatesOf(clients: readonly End[], servers: readonly End[]): Candidate[] {
  return clients.flatMap((client) =>
    servers.map((server) => ({
      clientId: client.id,
      clientAgentId: client.agent,
      clientObservedUs: client.observedUs,
      clientEnds: client.ends ?? 'A B',
      serverId: server.id,
      serverAgentId: server.agent,
      serverObservedUs: server.observedUs,
      serverEnds: server.ends ?? 'A B',
      exact: (client.ends ?? 'A B') === (server.ends ?? 'A B'),
    })),
  );
}

const chosen = (clients: readonly End[], servers: readonly End[]) =>
  choosePairs(candidatesOf(clients, servers))
    .map(({ clientId, serverId }) => `${clientId} ${serverId}`)
    .sort();

describe('of several records with the same numbers', () => {
  it('none is in two pairs', () => {
    const clients = ['c1', 'c2', 'c3'].map((id, at) => ({ id, agent: `web-${id}`, observedUs: at }));
    expect(chosen(clients, [{ id: 's1', agent: 'db', observedUs: 1 }])).toEqual(['c2 s1']);
  });

  it('those that one agent saw belong together, though another is nearer in time', () => {
    const clients = [
      { id: 'c1', agent: 'one', observedUs: 0 },
      { id: 'c2', agent: 'other', observedUs: 90 },
    ];
    const servers = [
      { id: 's1', agent: 'one', observedUs: 100 },
      { id: 's2', agent: 'third', observedUs: 10 },
    ];
    expect(chosen(clients, servers)).toEqual(['c1 s1', 'c2 s2']);
  });

  it('as many on either side are joined in the order of time, however far their clocks are apart', () => {
    const clients = [
      { id: 'c1', agent: 'web', observedUs: 1_000 },
      { id: 'c2', agent: 'web', observedUs: 2_000 },
    ];
    // The clock is behind by 950, so that what is nearest in time would be the other one.
    const servers = [
      { id: 's1', agent: 'db', observedUs: 50 },
      { id: 's2', agent: 'db', observedUs: 1_050 },
    ];
    expect(chosen(clients, servers)).toEqual(['c1 s1', 'c2 s2']);
  });

  it('the nearest in time are joined if one side has more', () => {
    const clients = [
      { id: 'c1', agent: 'web', observedUs: 1_000 },
      { id: 'c2', agent: 'web', observedUs: 5_000 },
    ];
    expect(chosen(clients, [{ id: 's', agent: 'db', observedUs: 4_900 }])).toEqual(['c2 s']);
  });

  it('those whose addresses agree are joined, and no other that only the numbers speak for', () => {
    const clients = [
      { id: 'c1', agent: 'web', observedUs: 0 },
      { id: 'c2', agent: 'proxy', observedUs: 0, ends: 'X B' },
    ];
    const servers = [
      { id: 's1', agent: 'db', observedUs: 0 },
      { id: 's2', agent: 'db', observedUs: 0, ends: 'Y B' },
    ];
    expect(chosen(clients, servers)).toEqual(['c1 s1']);
  });

  it('one connection through NAT is joined, of two none', () => {
    const server = { id: 's', agent: 'db', observedUs: 0, ends: 'N B' };
    const one = { id: 'c1', agent: 'web', observedUs: 0 };
    expect(chosen([one], [server])).toEqual(['c1 s']);
    expect(chosen([one, { ...one, id: 'c2', ends: 'X B' }], [server])).toEqual([]);
    expect(chosen([one], [server, { ...server, id: 's2', ends: 'M B' }])).toEqual([]);
  });

  it('the choice does not depend on the order in which they are read', () => {
    const clients = ['c1', 'c2', 'c3'].map((id) => ({ id, agent: id, observedUs: 7 }));
    const servers = ['s1', 's2', 's3'].map((id) => ({ id, agent: id, observedUs: 7 }));
    const forward = chosen(clients, servers);
    expect(chosen(clients.toReversed(), servers.toReversed())).toEqual(forward);
    expect(forward).toHaveLength(3);
  });
});
