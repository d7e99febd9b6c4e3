import { LossCause } from '@synscope/protocol';
import type { Batcher } from '../batch/batcher.js';
import type { Log } from '../log.js';
import type { ProcessNames } from '../names/process-names.js';
import { COUNTED_AS, type RecordFrame } from '../probe/record-frame.js';
import type { SessionTable } from './session-table.js';

/** Hands each record to the batch with the sessions whose it is. */
export class RecordIntake {
  private strays = 0;

  constructor(
    private readonly sessions: SessionTable,
    private readonly batcher: Batcher,
    private readonly processNames: ProcessNames,
    private readonly log: Log,
  ) {}

  take(frame: RecordFrame): void {
    const { cursor } = frame;
    const probe = COUNTED_AS[frame.kind];
    while (cursor.next()) {
      const route = this.sessions.route(cursor, probe);
      if (typeof route !== 'string') {
        this.processNames.mask(cursor);
        this.batcher.append(frame, route);
      } else if (route === 'max_records') {
        if (probe === undefined) continue;
        const { observedAtUs } = cursor;
        this.batcher.addLoss({
          cause: LossCause.MAX_RECORDS,
          probe,
          records: 1,
          fromUs: observedAtUs,
          untilUs: observedAtUs,
        });
      } else if (this.strays++ === 0) {
        this.log.warn({ revision: cursor.revision }, 'the probe sent a record of slots that hold no session');
      }
    }
  }
}
