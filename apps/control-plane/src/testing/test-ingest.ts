import { Configuration } from '../config/configuration.js';
import type { DatabasePool } from '../database/database-pool.js';
import { ReadinessChecks } from '../health/readiness-checks.js';
import { IngestMetrics } from '../ingest/ingest.metrics.js';
import { IngestService } from '../ingest/ingest.service.js';
import { IngestWriter } from '../ingest/ingest.writer.js';
import { MetricsRegistry } from '../metrics/metrics-registry.js';
import { PartitionService } from '../record-storage/partition.service.js';
import { PartitionStore } from '../record-storage/partition.store.js';

/** Ingest with what it needs, without the rest of a control plane. */
export interface TestIngest {
  readonly ingest: IngestService;
  readonly readiness: ReadinessChecks;
  /** The sum of a metric's values whose labels are these. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
}

/** `pool` is of the same database. To be ended by `ingest.beforeApplicationShutdown()`. */
export function startTestIngest(
  databaseUrl: string,
  pool: DatabasePool,
  environment: Readonly<Record<string, string>> = {},
): TestIngest {
  const configuration = Configuration.fromEnvironment({ DATABASE_URL: databaseUrl, ...environment });
  const registry = new MetricsRegistry();
  const readiness = new ReadinessChecks();
  const partitions = new PartitionService(new PartitionStore(pool), configuration, registry);
  const metrics = new IngestMetrics(registry);
  const writer = new IngestWriter(configuration, partitions, metrics);
  const ingest = new IngestService(configuration, writer, partitions, metrics, readiness);
  ingest.onModuleInit();
  return {
    ingest,
    readiness,
    metric: async (name, labels = {}) => {
      const { values } = (await registry.getSingleMetric(name)?.get()) ?? { values: [] };
      return values
        .filter((value) =>
          Object.entries(labels).every(([key, label]) => Reflect.get(value.labels, key) === label),
        )
        .reduce((sum, { value }) => sum + value, 0);
    },
  };
}
