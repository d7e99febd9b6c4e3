import { HandshakeOutcome } from '@synscope/protocol';
import { eventually } from './eventually.js';
import { handshakeRecord } from './handshake-batch.js';
import { ipv4 } from './record-columns.js';
import type { TestApplication } from './test-application.js';
import { tracedHost } from './traced-hosts.js';

/** Waits until records that arrive from now on are judged by this control plane, or by another one on its database. */
export async function findingEngineRuns(application: TestApplication): Promise<void> {
  await eventually(
    async () => (await application.call('GET', '/metrics')).text,
    (text) => text.includes('synscope_finding_engine_active 1'),
  );
}

/** So many findings of closed ports, at addresses of 203.0.113.0/24; at most 255. Their ids. */
export async function openFindings(application: TestApplication, count: number): Promise<string[]> {
  await findingEngineRuns(application);
  const host = await tracedHost(application, 'refused');
  await host.send({
    handshakes: Array.from({ length: count }, (_, index) =>
      handshakeRecord({
        remoteAddress: ipv4(`203.0.113.${index}`),
        remotePort: 81,
        outcome: HandshakeOutcome.REFUSED,
      }),
    ),
  });
  const { body } = await eventually(
    () => application.call('GET', '/findings?code=port_closed&port=81&limit=255'),
    (answer) => answer.body.items.length >= count,
  );
  return body.items.map(({ id }: { id: string }) => id);
}
