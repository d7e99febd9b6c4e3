import { type TraceSessionCreate, traceSessionCreateSchema } from '@synscope/api-contract';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { IngestService } from '../ingest/ingest.service.js';
import { type BatchContents, recordBatchBytes } from './record-batch.js';
import type { TestApplication } from './test-application.js';

/** A host whose agent has sent records, without the agent. */
export interface TracedHost {
  readonly agentId: string;
  readonly hostname: string;
  /** Stores a batch as if the agent had sent it. */
  send(contents: BatchContents): Promise<void>;
}

/**
 * Enrols an agent in the database alone, that is running a session of these probes for as long as `sinceMinutes`. Its records come through the
 * real ingest.
 */
export async function tracedHost(
  application: TestApplication,
  hostname: string,
  session: Partial<TraceSessionCreate> = {},
  options: { readonly clockOffsetUs?: number; readonly sinceMinutes?: number } = {},
): Promise<TracedHost> {
  const agentId = uuidv7();
  const sessionId = uuidv7();
  const database = application.app.get(DataSource);
  const spec = traceSessionCreateSchema.parse({ probes: ['tcp_handshake', 'listener', 'dns'], ...session });
  const { name: _, ...stored } = spec;
  await database.query(
    `INSERT INTO agent (id, public_key_hash, hostname, clock_offset_us) VALUES ($1::uuid, sha256(($1::uuid)::text::bytea), $2, $3)`,
    [agentId, hostname, options.clockOffsetUs ?? 0],
  );
  const since = `now() - ${options.sinceMinutes ?? 60} * interval '1 minute'`;
  await database.query(
    `INSERT INTO trace_session (id, selector, spec, state, started_at, ends_at)
     VALUES ($1, '', $2, 'running', ${since}, now() + interval '1 hour')`,
    [sessionId, JSON.stringify(stored)],
  );
  await database.query(
    `INSERT INTO session_target (session_id, agent_id, observed, started_at) VALUES ($1, $2, 'running', ${since})`,
    [sessionId, agentId],
  );
  const bootId = uuidv7();
  let seq = 0;
  return {
    agentId,
    hostname,
    send: async (contents) => {
      const bytes = recordBatchBytes(++seq, contents);
      await application.app.get(IngestService).submit({ agentId, bootId, bytes });
    },
  };
}
