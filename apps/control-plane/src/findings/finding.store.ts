import { Injectable } from '@nestjs/common';
import type { FindingListQuery, FindingState } from '@synscope/api-contract';
import { DataSource, type EntityManager } from 'typeorm';
import { FINDING_COLUMNS, type FindingRow } from './finding-row.js';

@Injectable()
export class FindingStore {
  constructor(private readonly database: DataSource) {}

  async find(id: string): Promise<FindingRow | null> {
    const rows: FindingRow[] = await this.database.query(
      `SELECT ${FINDING_COLUMNS} FROM finding WHERE id = $1`,
      [id],
    );
    return rows[0] ?? null;
  }

  /** The latest that opened for the first time comes first: that does not change while pages are read. */
  list(
    filter: FindingListQuery,
    since: string | null,
    afterId: string | null,
    limit: number,
  ): Promise<FindingRow[]> {
    const parameters: unknown[] = [];
    const place = (value: unknown) => `$${parameters.push(value)}`;
    const conditions = ['true'];
    const add = (value: unknown, condition: (at: string) => string) => {
      if (value !== undefined && value !== null) conditions.push(condition(place(value)));
    };
    add(filter.state, (at) => `state = ANY (${at}::text[])`);
    add(filter.code, (at) => `code = ANY (${at}::text[])`);
    add(filter.severity, (at) => `severity = ANY (${at}::text[])`);
    add(filter.agentId, (at) => `(agent_id = ANY (${at}::uuid[]) OR hosts && ${at}::uuid[])`);
    add(filter.hostname, (at) => {
      const agents = `SELECT id FROM agent WHERE hostname = ${at}`;
      return `(agent_id IN (${agents}) OR hosts && ARRAY(${agents}))`;
    });
    add(filter.address, (at) => `address <<= ${at}::inet`);
    add(filter.port, (at) => `port = ANY (${at}::integer[])`);
    add(filter.name, (at) => `name = ${at}`);
    add(since, (at) => `last_seen_at >= ${at}::timestamptz`);
    add(afterId, (at) => `id < ${at}::uuid`);
    return this.database.query(
      `SELECT ${FINDING_COLUMNS} FROM finding WHERE ${conditions.join(' AND ')} ORDER BY id DESC LIMIT ${place(limit)}`,
      parameters,
    );
  }

  /** As it was before, or null if there is none. Waits for whoever is at it. */
  async lock(manager: EntityManager, id: string): Promise<FindingRow | null> {
    const rows: FindingRow[] = await manager.query(
      `SELECT ${FINDING_COLUMNS} FROM finding WHERE id = $1 FOR UPDATE`,
      [id],
    );
    return rows[0] ?? null;
  }

  async setState(
    manager: EntityManager,
    id: string,
    state: Exclude<FindingState, 'open'>,
  ): Promise<FindingRow[]> {
    const set =
      state === 'acknowledged' ? 'acknowledged_at = clock_timestamp()' : 'resolved_at = clock_timestamp()';
    const [rows] = (await manager.query(
      `UPDATE finding SET state = $2, ${set} WHERE id = $1 RETURNING ${FINDING_COLUMNS}`,
      [id, state],
    )) as [FindingRow[], number];
    return rows;
  }
}
