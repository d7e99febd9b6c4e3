import { Lab } from '../../lab/lab.js';
import type { DnsQuery } from '../../stack/answers.js';
import type { Api } from '../../stack/api.js';
import { allRecords } from '../../stack/sessions.js';
import { until } from '../../stack/until.js';
import { firstFurtherLab } from './ends.js';
import type { Experiment } from './experiment.js';
import type { FindingsWatch } from './watch.js';

/** Beyond the 30 s after which a query is given up. */
const timeoutMs = 90_000;

/** Resolves once the queries of an experiment that have no answer are stored as such. */
export async function untilUnansweredAreStored(
  api: Api,
  { combination: { ends, family }, lab, witness }: Experiment,
): Promise<void> {
  const { client, resolver } = witness.unanswered;
  const expected = (ends === 'server' ? 0 : client) + (ends === 'client' ? 0 : resolver);
  if (expected === 0) return;
  await until(
    `${expected} unanswered queries`,
    async () => {
      const records = await allRecords<DnsQuery>(api, 'dns-queries', {
        serverAddress: lab.address('b', family),
        outcome: 'unanswered',
      });
      return records.length >= expected || undefined;
    },
    timeoutMs,
  );
}

/**
 * Resolves once everything that is stored by now was judged: records are judged in the order in which they arrive, so a fault that comes after
 * all others, and is found, is the proof.
 */
export async function untilAllIsJudged(watch: FindingsWatch): Promise<void> {
  await using lab = await Lab.create({ number: firstFurtherLab + 2 });
  const address = lab.address('b', 'ipv4');
  const client = await lab.client('a', { address, port: 9 });
  await client.connects(1);
  const found = await watch.until(
    () => watch.of(lab.network('ipv4')).find(({ code }) => code === 'port_closed'),
    timeoutMs,
  );
  if (!found) throw new Error(`no port_closed for ${address} within ${timeoutMs} ms`);
}
