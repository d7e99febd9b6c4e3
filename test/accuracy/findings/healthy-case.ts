import type { FaultCase } from './cases.js';
import { atLeast, exactly } from './scene.js';

const connections = 300;
const queries = 60;

export const healthyCase: FaultCase = {
  name: 'all well under load',
  expected: { both: { codes: [] }, client: { codes: [] }, server: { codes: [] } },
  run: async ({ lab, family, names, dnsPort: port, suffix, witness }) => {
    await lab.relay.delay('a', 5_000);
    await lab.relay.delay('b', 5_000);
    const server = await lab.server('b', { family, backlog: 1_024, name: names.server });
    const resolver = await lab.dnsServer('b', { port, name: names.server });
    const client = await lab.client('a', {
      ...server.address,
      count: connections,
      intervalUs: 4_000,
      closeAtOnce: true,
      name: names.client,
    });
    const asker = await lab.dnsClient('a', {
      address: lab.address('b', family),
      port,
      questions: Array.from({ length: queries }, (_, index) => `d10.n${index}.${suffix}/A`),
      name: names.client,
    });
    const connects = await client.connects(connections, 60_000);
    await server.accepts(connections, 60_000);
    await asker.done(60_000);
    await resolver.untilAnswers(queries);
    const packets = await lab.relay.packets();
    witness.expect(
      'connect(): success',
      connects.filter(({ error }) => error === '').length,
      exactly(connections),
    );
    witness.expect('relay: SYNs', packets.filter(({ kind }) => kind === 'syn').length, exactly(connections));
    witness.expect('answers received', asker.received.length, atLeast(queries));
    witness.expect(
      'nstat: ListenDrops',
      (await lab.counters('b'))['TcpExtListenDrops'] ?? Number.NaN,
      exactly(0),
    );
  },
};
