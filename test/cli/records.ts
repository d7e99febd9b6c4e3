import { DnsOutcome, HandshakeOutcome, LossCause, Probe } from '@synscope/protocol';
import { DatabasePool } from '../../apps/control-plane/src/database/database-pool.ts';
import { IngestService } from '../../apps/control-plane/src/ingest/ingest.service.ts';
import { dnsQueryRecord } from '../../apps/control-plane/src/testing/dns-query-record.ts';
import { handshakeRecord } from '../../apps/control-plane/src/testing/handshake-batch.ts';
import { endsOf, trueHandshake } from '../../apps/control-plane/src/testing/handshake-ends.ts';
import { listenerRecord } from '../../apps/control-plane/src/testing/listener-record.ts';
import { nameLookupRecord } from '../../apps/control-plane/src/testing/name-lookup-record.ts';
import { recordBatchBytes } from '../../apps/control-plane/src/testing/record-batch.ts';
import type { TestApplication } from '../../apps/control-plane/src/testing/test-application.ts';

const agentId = '0198c0de-0000-7000-8000-000000000001';
const bootId = '0198c0de-0000-7000-8000-0000000000bb';

/** A process that would set the terminal's title and reverse the rest of the line: ESC ] … BEL, and U+202E. */
export const HOSTILE_NAME = '\u001b]0;x\u0007\u202e';

/** A few minutes ago: a slow handshake of a hostile process, one that timed out, DNS, lookups and listening sockets, and loss. */
export async function storeRecords(application: TestApplication): Promise<void> {
  await application.app
    .get(DatabasePool)
    .query(`INSERT INTO agent (id, hostname, public_key_hash) VALUES ($1, 'web-1', '')`, [agentId]);
  const startUs = (Date.now() - 5 * 60_000) * 1_000;
  const at = (seconds: number) => ({ observedAtUs: startUs + seconds * 1_000_000 });
  const bytes = recordBatchBytes(1, {
    handshakes: [
      handshakeRecord({ ...at(1), latencyUs: 51_234, processName: HOSTILE_NAME, remotePort: 443 }),
      handshakeRecord({ ...at(2), latencyUs: 730, processName: 'nginx', remotePort: 5_432 }),
      handshakeRecord({
        ...at(3),
        outcome: HandshakeOutcome.TIMED_OUT,
        latencyUs: 6_000_000,
        processName: 'curl',
        synRetransmits: 2,
      }),
    ],
    dnsQueries: [
      dnsQueryRecord({ ...at(1), queryName: 'slow.example.com', elapsedUs: 900_000 }),
      dnsQueryRecord({ ...at(2), queryName: 'fast.example.com', elapsedUs: 900 }),
      dnsQueryRecord({
        ...at(3),
        queryName: 'never.example.com',
        elapsedUs: 30_000_000,
        outcome: DnsOutcome.UNANSWERED,
        responseCode: null,
        answerCount: null,
      }),
    ],
    nameLookups: [
      nameLookupRecord({ ...at(1), name: 'api.example.com', latencyUs: 250_000, resultCode: -3 }),
    ],
    listeners: [
      listenerRecord({ ...at(1), localPort: 7_000, acceptQueuePeak: 512, synsRefusedAcceptQueueFull: 6 }),
      listenerRecord({ ...at(2), localPort: 80, socketCookie: 91 }),
    ],
    loss: [
      {
        cause: LossCause.RING_FULL,
        fromUs: startUs,
        untilUs: startUs + 1,
        records: 5,
        probe: Probe.TCP_HANDSHAKE,
      },
    ],
  });
  await application.app.get(IngestService).submit({ agentId, bootId, bytes });
}

/** Both ends of one handshake on that host, a minute ago, whose first SYN was lost; answers their ids. */
export async function storeBothEnds(
  application: TestApplication,
): Promise<{ readonly client: string; readonly server: string }> {
  const atUs = (Date.now() - 60_000) * 1_000;
  const ends = endsOf(trueHandshake({ atUs, lostSynWaitUs: 1_020_000, synRetransmits: 1 }));
  const bytes = recordBatchBytes(2, { handshakes: [ends.client, ends.server] });
  await application.app.get(IngestService).submit({ agentId, bootId, bytes });
  const idOf = async (role: string) => {
    const { rows } = await application.app
      .get(DatabasePool)
      .query<{ id: string }>(`SELECT id FROM handshake WHERE client_isn = $1 AND role = $2`, [
        ends.client.clientIsn,
        role === 'client' ? 1 : 2,
      ]);
    return rows[0]?.id ?? '';
  };
  return { client: await idOf('client'), server: await idOf('server') };
}
