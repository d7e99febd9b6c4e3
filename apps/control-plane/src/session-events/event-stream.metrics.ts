import { Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { MetricsRegistry } from '../metrics/metrics-registry.js';
import { SessionWatch } from './session-watch.js';

@Injectable()
export class EventStreamMetrics {
  constructor(registry: MetricsRegistry, watch: SessionWatch) {
    new Gauge({
      name: 'synscope_event_streams',
      help: 'Streams of live results that this replica serves.',
      registers: [registry],
      collect() {
        this.set(watch.size);
      },
    });
  }
}
