/**
 * What joining both ends of handshakes costs per record, and how many pairs it finds, against one hash join by hand of the same rows.
 * Records are made in Postgres as a fleet would send them, and joined as they come: one look per five seconds of the fleet's time, one more by
 * arrival per minute of it. What a look reads besides the new records is part of the cost.
 */
import { parseArgs } from 'node:util';
import { startThrowawayPostgres } from '@synscope/testing';
import { Configuration } from '../../apps/control-plane/dist/config/configuration.js';
import { createDatabasePool } from '../../apps/control-plane/dist/database/database-pool.js';
import { migrateUp } from '../../apps/control-plane/dist/database/migration-runner.js';
import { MIGRATIONS } from '../../apps/control-plane/dist/database/migrations/index.js';
import { HandshakeJoin } from '../../apps/control-plane/dist/handshake-pairs/handshake-join.js';
import { HandshakeJoinMetrics } from '../../apps/control-plane/dist/handshake-pairs/handshake-join.metrics.js';
import { HandshakePairStore } from '../../apps/control-plane/dist/handshake-pairs/handshake-pair.store.js';
import { JoinProgressStore } from '../../apps/control-plane/dist/handshake-pairs/join-progress.store.js';
import { MetricsRegistry } from '../../apps/control-plane/dist/metrics/metrics-registry.js';
import { PartitionService } from '../../apps/control-plane/dist/record-storage/partition.service.js';
import { PartitionStore } from '../../apps/control-plane/dist/record-storage/partition.store.js';
import { SyntheticFleet } from './lib/synthetic-fleet.ts';

const TARGET_SHARE = 0.999;
/** The hash join by hand reads each record once and keeps nothing. Looks that do not wait for an hour read each about five times, and keep the pairs. */
const MOST_RATIO = 20;
/** The last quarter of the records may cost this much more than the first: it would be seven times as much if the cost grew with what is there. */
const MOST_GROWTH = 1.5;
const LOOK_SECONDS = 5;
const LOOKS_PER_MINUTE = 60 / LOOK_SECONDS;

const { values: options } = parseArgs({
  options: {
    records: { type: 'string', default: '10000000' },
    rate: { type: 'string', default: '10000' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log('npm run bench:join -- [--records 10000000] [--rate 10000 per second of the fleet]');
  process.exit(0);
}
const recordCount = positive('records');
const rate = positive('rate');

const postgres = await startThrowawayPostgres({ durable: true });
const pool = createDatabasePool({
  connectionString: postgres.url,
  maximumConnections: 6,
  statementTimeoutMs: 600_000,
  onConnectionLost: () => {},
});
try {
  const client = await pool.connect();
  await migrateUp(client, MIGRATIONS);
  client.release();
  const registry = new MetricsRegistry();
  const partitionStore = new PartitionStore(pool);
  const partitions = new PartitionService(
    partitionStore,
    Configuration.fromEnvironment({ DATABASE_URL: postgres.url }),
    registry,
  );
  const progress = new JoinProgressStore(pool);
  const join = new HandshakeJoin(
    pool,
    progress,
    new HandshakePairStore(),
    partitions,
    new HandshakeJoinMetrics(registry, progress),
  );

  const looks = Math.ceil(recordCount / (rate * LOOK_SECONDS));
  const fleet = new SyntheticFleet(pool, { rate, looks, lookSeconds: LOOK_SECONDS });
  await partitionStore.create('handshake', fleet.hours());
  const costs: { records: number; seconds: number }[] = [];
  for (let look = 0; look < looks; look++) {
    const records = await fleet.arrive(look);
    // As a control plane does every ten seconds.
    if (look % 2 === 1) await partitionStore.summarize('handshake', fleet.hours());
    let spent = await seconds(async () => {
      while (await join.next('observed'));
    });
    if (look % LOOKS_PER_MINUTE === LOOKS_PER_MINUTE - 1 || look === looks - 1) {
      spent += await seconds(async () => {
        while (await join.next('arrived'));
      });
    }
    costs.push({ records, seconds: spent });
    if (look % 20 === 19)
      console.log(`${thousands(total(costs).records)} records, ${microseconds(costs)} µs each so far`);
  }

  const { records, seconds: spent } = total(costs);
  const found = await fleet.found();
  const byHand = await seconds(() => fleet.joinByHand());
  const growth =
    perRecord(costs.slice(-Math.ceil(looks / 4))) / perRecord(costs.slice(0, Math.ceil(looks / 4)));
  const share = found.right / found.traced;
  const ratio = spent / byHand;
  console.log(`
${thousands(records)} records, ${thousands(rate)} per second of the fleet; ${thousands(found.traced)} handshakes of which both ends were traced
joined as they came: ${spent.toFixed(1)} s, ${microseconds(costs)} µs per record
one hash join by hand of the same rows: ${byHand.toFixed(1)} s, ${((byHand / records) * 1e6).toFixed(2)} µs per record
pairs: ${thousands(found.right)} right, ${found.wrong} wrong, of them ${thousands(found.probable)} through NAT`);
  const reached = [
    check(
      `pairs found ${(share * 100).toFixed(3)} %`,
      `at least ${TARGET_SHARE * 100} %`,
      share >= TARGET_SHARE,
    ),
    check(`wrong pairs ${found.wrong}`, 'none', found.wrong === 0),
    check(`cost against the join by hand ${ratio.toFixed(1)}`, `at most ${MOST_RATIO}`, ratio <= MOST_RATIO),
    check(
      `cost of the last quarter against the first ${growth.toFixed(2)}`,
      `at most ${MOST_GROWTH}`,
      growth <= MOST_GROWTH,
    ),
  ];
  process.exitCode = reached.every(Boolean) ? 0 : 1;
} finally {
  await pool.end();
  await postgres.remove();
}

function check(figure: string, target: string, reached: boolean): boolean {
  console.log(`${figure}; target ${target}: ${reached ? 'reached' : 'MISSED'}`);
  return reached;
}

function total(costs: readonly { records: number; seconds: number }[]) {
  return {
    records: costs.reduce((sum, cost) => sum + cost.records, 0),
    seconds: costs.reduce((sum, cost) => sum + cost.seconds, 0),
  };
}

function perRecord(costs: readonly { records: number; seconds: number }[]): number {
  const { records, seconds: spent } = total(costs);
  return spent / records;
}

function microseconds(costs: readonly { records: number; seconds: number }[]): string {
  return (perRecord(costs) * 1e6).toFixed(2);
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1_000;
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function positive(name: 'records' | 'rate'): number {
  const value = Number(options[name]);
  if (!Number.isInteger(value) || value < 1) {
    console.error(`--${name} must be a whole number from 1, not ${options[name]}`);
    process.exit(2);
  }
  return value;
}
