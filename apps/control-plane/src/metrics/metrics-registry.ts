import { collectDefaultMetrics, Registry } from 'prom-client';

/** What /metrics shows. Pass it as `registers: [registry]` to a Counter, Gauge or Histogram of prom-client. */
export class MetricsRegistry extends Registry {
  constructor() {
    super();
    collectDefaultMetrics({ register: this });
  }
}
