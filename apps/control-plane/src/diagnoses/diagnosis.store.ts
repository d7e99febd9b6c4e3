import { Injectable } from '@nestjs/common';
import { formatMicroseconds } from '@synscope/api-contract';
import { DatabasePool } from '../database/database-pool.js';
import { type Arrivals, EvidenceReader } from '../findings/evidence/evidence-reader.js';

/** Slow or failed records of each kind that are looked at; the newest. */
const MOST_RECORDS = 2_000;

export interface DiagnosisScope {
  /** Null for all clients. */
  readonly source: { readonly agentIds: readonly string[] } | { readonly address: string } | null;
  readonly destination:
    | { readonly address: string; readonly port: number | null }
    | { readonly name: string };
  readonly sinceUs: number;
  readonly untilUs: number;
}

/** What is stored of the way from a source to a destination. */
@Injectable()
export class DiagnosisStore {
  constructor(
    private readonly pool: DatabasePool,
    private readonly evidence: EvidenceReader,
  ) {}

  async agentIdsOf(hostname: string): Promise<readonly string[]> {
    const { rows } = await this.pool.query<{ id: string }>('SELECT id FROM agent WHERE hostname = $1', [
      hostname,
    ]);
    return rows.map(({ id }) => id);
  }

  async hostnameOf(agentId: string): Promise<string | null> {
    const { rows } = await this.pool.query<{ hostname: string }>('SELECT hostname FROM agent WHERE id = $1', [
      agentId,
    ]);
    return rows[0]?.hostname ?? null;
  }

  async read(scope: DiagnosisScope): Promise<Arrivals> {
    const { rows } = await this.pool.query<{ id: string; offset: number }>(
      'SELECT id, clock_offset_us AS offset FROM agent WHERE clock_offset_us <> 0',
    );
    const offsets = new Map(rows.map(({ id, offset }) => [id, offset]));
    return this.evidence.read((agentId, observedUs) => observedUs - (offsets.get(agentId) ?? 0), {
      conditions: {
        handshake: `${WITHIN} AND ${HANDSHAKE}`,
        activity: `${WITHIN} AND ${ANY_PORT}`,
        listenerSample: `${WITHIN} AND ${LISTENER}`,
        receiveQueueDrop: WITHIN,
        dnsQuery: `${WITHIN} AND ${QUERY}`,
        question: `${WITHIN} AND ${QUESTION}`,
      },
      parameters: parametersOf(scope),
      limit: MOST_RECORDS,
    });
  }

  /** All records of the way, slow or not. */
  async count(scope: DiagnosisScope): Promise<number> {
    const { rows } = await this.pool.query<{ records: number }>(
      `SELECT (SELECT count(*) FROM handshake WHERE ${WITHIN} AND ${HANDSHAKE})
            + (SELECT count(*) FROM dns_query WHERE ${WITHIN} AND ${QUERY}) AS records`,
      parametersOf(scope),
    );
    return rows[0]?.records ?? 0;
  }
}

/** $1 since, $2 until, $3 address, $4 port, $5 name, $6 agents of the source, $7 address of the source. All in each statement. */
function parametersOf({ source, destination, sinceUs, untilUs }: DiagnosisScope): unknown[] {
  const time = (us: number) => formatMicroseconds(BigInt(Math.round(us)));
  const place = 'address' in destination ? destination : null;
  return [
    time(sinceUs),
    time(untilUs),
    place?.address ?? null,
    place?.port ?? null,
    'name' in destination ? destination.name : null,
    source && 'agentIds' in source ? source.agentIds : null,
    source && 'address' in source ? source.address : null,
  ];
}

/** Names every parameter, so that Postgres knows their types where the rest does not use them. */
const WITHIN = `observed_at >= $1::timestamptz AND observed_at < $2::timestamptz
  AND ($3::inet, $4::integer, $5::text, $6::uuid[], $7::inet) IS DISTINCT FROM NULL`;

/** 1 is the client's side, 2 the server's. Of a host as source only its own records count: nobody knows its addresses. */
const HANDSHAKE = `((role = 1 AND remote_address = $3::inet AND ($4::integer IS NULL OR remote_port = $4::integer)
    AND ($6::uuid[] IS NULL OR agent_id = ANY ($6::uuid[])) AND ($7::inet IS NULL OR local_address = $7::inet))
  OR (role = 2 AND local_address = $3::inet AND ($4::integer IS NULL OR local_port = $4::integer)
    AND $6::uuid[] IS NULL AND ($7::inet IS NULL OR remote_address = $7::inet)))`;

const ANY_PORT = `((role = 1 AND remote_address = $3::inet) OR (role = 2 AND local_address = $3::inet))`;

const LISTENER = `($4::integer IS NULL OR local_port = $4::integer)
  AND (local_address = $3::inet OR local_address IN ('0.0.0.0', '::'))`;

const QUERY = `(server_address = $3::inet OR query_name = $5::text) AND ($4::integer IS NULL OR server_port = $4::integer)
  AND CASE side WHEN 1 THEN ($6::uuid[] IS NULL OR agent_id = ANY ($6::uuid[]))
                       AND ($7::inet IS NULL OR client_address = $7::inet)
                ELSE $6::uuid[] IS NULL AND ($7::inet IS NULL OR client_address = $7::inet) END`;

const QUESTION = '($3::inet IS NULL OR server_address = $3::inet)';
