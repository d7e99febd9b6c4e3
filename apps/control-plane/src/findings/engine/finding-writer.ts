import { Injectable } from '@nestjs/common';
import type { FindingState } from '@synscope/api-contract';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { type WebhookEvent, WebhookEvents } from '../../webhook-events/webhook-events.js';
import { FINDING_COLUMNS, type FindingRow, toFinding } from '../finding-row.js';
import { groupKey, mergeGroups, type VerdictGroup, worse } from './merge.js';

/** Bots are told of a finding that goes on once it has grown so many times, and not sooner than this after the last time. Milliseconds. */
const GROWTH = 10;
const LEAST_BETWEEN_UPDATES_MS = 60_000;
/** Findings that are written, or resolved, by one statement. */
const CHUNK = 500;

export type FindingEventType = 'finding.opened' | 'finding.updated' | 'finding.resolved';

/** A finding as it is to be stored. */
interface Change {
  readonly row: Readonly<Record<string, unknown>>;
  readonly event: FindingEventType | null;
}

/** Keeps the findings that rules' verdicts amount to, and tells bots in the same transaction. */
@Injectable()
export class FindingWriter {
  constructor(private readonly events: WebhookEvents) {}

  /** `arrivedMs`: when the evidence came, which does not open again what was resolved since. */
  async write(
    manager: EntityManager,
    groups: ReadonlyMap<string, VerdictGroup>,
    arrivedMs: number,
    nowMs: number,
  ): Promise<number> {
    const all = [...groups.values()];
    let opened = 0;
    for (let start = 0; start < all.length; start += CHUNK) {
      const changes = await this.changes(manager, all.slice(start, start + CHUNK), arrivedMs, nowMs);
      const rows = await upsert(manager, changes);
      const types = new Map(
        changes.flatMap(({ row, event }) => (event ? [[row['id'], event] as const] : [])),
      );
      await this.publish(
        manager,
        rows.filter(({ id }) => types.has(id)),
        ({ id }) => types.get(id) ?? 'finding.updated',
      );
      opened += changes.filter(({ event }) => event === 'finding.opened').length;
    }
    return opened;
  }

  /** Resolves what no evidence came for since then. Returns how many. */
  async resolveSilent(manager: EntityManager, silentSince: Date): Promise<number> {
    const [rows] = (await manager.query(
      `UPDATE finding SET state = 'resolved', resolved_at = clock_timestamp()
        WHERE id IN (SELECT id FROM finding WHERE state <> 'resolved' AND last_seen_at < $1 ORDER BY last_seen_at LIMIT ${CHUNK})
        RETURNING ${FINDING_COLUMNS}`,
      [silentSince],
    )) as [FindingRow[], number];
    await this.publish(manager, rows, () => 'finding.resolved');
    return rows.length;
  }

  /** Forgets what was resolved long ago. */
  async prune(manager: EntityManager, resolvedBefore: Date): Promise<void> {
    await manager.query(
      `DELETE FROM finding WHERE id IN
         (SELECT id FROM finding WHERE state = 'resolved' AND resolved_at < $1 ORDER BY resolved_at LIMIT ${CHUNK})`,
      [resolvedBefore],
    );
  }

  /** Somebody took it on, or resolved it. */
  async publish(
    manager: EntityManager,
    rows: readonly FindingRow[],
    typeOf: (row: FindingRow) => FindingEventType,
  ): Promise<void> {
    const events: WebhookEvent[] = rows.map((row) => ({ type: typeOf(row), data: { ...toFinding(row) } }));
    await this.events.publish(manager, ...events);
  }

  private async changes(
    manager: EntityManager,
    groups: readonly VerdictGroup[],
    arrivedMs: number,
    nowMs: number,
  ): Promise<Change[]> {
    const known: FindingRow[] = await manager.query(
      `SELECT ${FINDING_COLUMNS} FROM finding
        WHERE (code, subject_key) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY id FOR UPDATE`,
      [groups.map(({ code }) => code), groups.map(({ subject }) => subject.key)],
    );
    const byKey = new Map(known.map((row) => [`${row.code}|${row.subjectKey}`, row]));
    return groups.flatMap((group) => {
      const row = byKey.get(groupKey(group)) ?? null;
      if (row?.resolvedAt && arrivedMs <= row.resolvedAt.getTime()) return [];
      return [changeOf(row, group, nowMs)];
    });
  }
}

function changeOf(known: FindingRow | null, group: VerdictGroup, nowMs: number): Change {
  const now = new Date(nowMs).toISOString();
  const reopened = known?.state === 'resolved';
  const goesOn = known !== null && !reopened;
  const merged = goesOn ? mergeGroups(groupOf(known), group) : group;
  const severity = goesOn ? worse(known.severity, group.severity) : group.severity;
  const state: FindingState = goesOn ? known.state : 'open';
  const event = eventOf(goesOn ? known : null, merged, nowMs);
  const { subject, harm } = merged;
  return {
    event,
    row: {
      id: known?.id ?? uuidv7(),
      code: group.code,
      subject_key: subject.key,
      subject_kind: subject.kind,
      agent_id: subject.agentId,
      address: subject.address,
      port: subject.port,
      name: storable(subject.name),
      netns: subject.netns,
      severity,
      state,
      title: storable(merged.title),
      first_seen_at: known?.firstSeenAt.toISOString() ?? now,
      opened_at: goesOn ? known.openedAt.toISOString() : now,
      last_seen_at: now,
      acknowledged_at: goesOn ? (known.acknowledgedAt?.toISOString() ?? null) : null,
      resolved_at: null,
      occurrences: (known?.occurrences ?? 0) + (goesOn ? 0 : 1),
      clients: harm.clients,
      hosts: harm.hosts,
      handshakes: harm.handshakes,
      added_latency_us: harm.addedLatencyUs,
      evidence: merged.evidence,
      advice: merged.advice,
      announced_at: event ? now : (known?.announcedAt.toISOString() ?? now),
      announced_handshakes: event ? harm.handshakes : Number(known?.announcedHandshakes ?? 0),
    },
  };
}

/** News are that it opened, that it became worse, or that it grew a lot. */
function eventOf(known: FindingRow | null, merged: VerdictGroup, nowMs: number): FindingEventType | null {
  if (known === null) return 'finding.opened';
  if (worse(known.severity, merged.severity) !== known.severity) return 'finding.updated';
  const grown = merged.harm.handshakes >= GROWTH * Math.max(1, Number(known.announcedHandshakes));
  return grown && nowMs - known.announcedAt.getTime() >= LEAST_BETWEEN_UPDATES_MS ? 'finding.updated' : null;
}

function groupOf(row: FindingRow): VerdictGroup {
  return {
    code: row.code,
    subject: {
      key: row.subjectKey,
      kind: row.subjectKind,
      agentId: row.agentId,
      address: row.address,
      port: row.port,
      name: row.name,
      netns: row.netns === null ? null : Number(row.netns),
    },
    severity: row.severity,
    title: row.title,
    evidence: row.evidence,
    advice: row.advice,
    harm: {
      clients: row.clients,
      hosts: row.hosts,
      handshakes: Number(row.handshakes),
      addedLatencyUs: Number(row.addedLatencyUs),
    },
  };
}

/** Postgres stores no NUL. */
function storable(text: string | null): string | null {
  return text?.replaceAll('\0', '') ?? null;
}

async function upsert(manager: EntityManager, changes: readonly Change[]): Promise<FindingRow[]> {
  if (changes.length === 0) return [];
  const rows: FindingRow[] = await manager.query(
    `INSERT INTO finding (${WRITTEN_COLUMNS})
     SELECT ${WRITTEN_COLUMNS} FROM jsonb_to_recordset($1::jsonb) AS change (
       id uuid, code text, subject_key text, subject_kind text, agent_id uuid, address inet, port integer, name text, netns bigint,
       severity text, state text, title text, first_seen_at timestamptz, opened_at timestamptz, last_seen_at timestamptz,
       acknowledged_at timestamptz, resolved_at timestamptz, occurrences integer, clients text[], hosts uuid[], handshakes bigint,
       added_latency_us bigint, evidence jsonb, advice jsonb, announced_at timestamptz, announced_handshakes bigint)
     ON CONFLICT (code, subject_key) DO UPDATE SET ${WRITTEN_COLUMNS.split(', ')
       .filter((column) => !/^(id|code|subject_key)$/.test(column))
       .map((column) => `${column} = EXCLUDED.${column}`)
       .join(', ')} RETURNING ${FINDING_COLUMNS}`,
    [JSON.stringify(changes.map(({ row }) => row))],
  );
  return rows;
}

const WRITTEN_COLUMNS =
  'id, code, subject_key, subject_kind, agent_id, address, port, name, netns, severity, state, title, first_seen_at, opened_at, last_seen_at, acknowledged_at, resolved_at, occurrences, clients, hosts, handshakes, added_latency_us, evidence, advice, announced_at, announced_handshakes';
