import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import pg from 'pg';
import type { EntityManager } from 'typeorm';
import { Configuration } from '../config/configuration.js';

const CHANNEL = 'synscope_change';

/** A dead connection raises nothing by itself, so it is asked; both in milliseconds. */
const HEARTBEAT_INTERVAL_MS = 5_000;
const HEARTBEAT_TIMEOUT_MS = 5_000;

const FIRST_RECONNECT_MS = 200;
const LONGEST_RECONNECT_MS = 5_000;

const CHANGE_KINDS = ['agent', 'session', 'schedule', 'webhook'] as const;
type ChangeKind = (typeof CHANGE_KINDS)[number];

/** Which row changed. It carries no content: whoever cares reads the row. */
export interface Change {
  readonly kind: ChangeKind;
  readonly id: string;
}

export interface ChangeListener {
  readonly changed: (change: Change) => void;
  /** Changes may have been missed: read everything again. */
  readonly resync: () => void;
}

/**
 * Hints between replicas by LISTEN and NOTIFY, over one connection that this class keeps up. A hint can get lost, when the connection is;
 * every user therefore reads again on `resync`, and sweeps from time to time.
 */
@Injectable()
export class ChangeFeed implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger('ChangeFeed');
  private readonly listeners = new Set<ChangeListener>();
  private client: pg.Client | null = null;
  private timer: NodeJS.Timeout | undefined;
  private reconnectDelayMs = FIRST_RECONNECT_MS;
  private closed = false;

  constructor(private readonly configuration: Configuration) {}

  async onModuleInit(): Promise<void> {
    await this.connect();
  }

  async onApplicationShutdown(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    const client = this.client;
    this.client = null;
    // A connection that is dead without knowing would never say that it has ended.
    await Promise.race([
      client?.end().catch(() => undefined),
      setTimeoutPromise(1_000, undefined, { ref: false }),
    ]);
  }

  /** Returns how to unsubscribe. */
  subscribe(listener: ChangeListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Announces changes to all replicas, this one too, when the transaction commits. */
  async announce(manager: EntityManager, changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return;
    const payloads = [...new Set(changes.map(({ kind, id }) => `${kind}:${id}`))];
    await manager.query('SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload', [
      CHANNEL,
      payloads,
    ]);
  }

  private async connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.configuration.databaseUrl,
      application_name: 'synscope-changes',
      connectionTimeoutMillis: HEARTBEAT_TIMEOUT_MS,
      query_timeout: HEARTBEAT_TIMEOUT_MS,
      keepAlive: true,
    });
    client.on('error', (error) => this.lost(client, error));
    client.on('end', () => this.lost(client, new Error('the connection ended')));
    client.on('notification', ({ payload }) => this.deliver(payload ?? ''));
    this.client = client;
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
    } catch (error) {
      this.lost(client, error);
      return;
    }
    if (this.client !== client) return;
    this.reconnectDelayMs = FIRST_RECONNECT_MS;
    this.scheduleHeartbeat(client);
    for (const listener of this.listeners) listener.resync();
  }

  private scheduleHeartbeat(client: pg.Client): void {
    this.timer = setTimeout(() => {
      client.query('SELECT 1').then(
        () => this.client === client && this.scheduleHeartbeat(client),
        (error: unknown) => this.lost(client, error),
      );
    }, HEARTBEAT_INTERVAL_MS).unref();
  }

  /** Called by whatever notices first; the others find another client, or none, in place. */
  private lost(client: pg.Client, error: unknown): void {
    if (this.client !== client || this.closed) return;
    this.client = null;
    clearTimeout(this.timer);
    client.end().catch(() => undefined);
    if (this.reconnectDelayMs === FIRST_RECONNECT_MS) {
      this.logger.warn(
        `the connection that listens for changes was lost (${error instanceof Error ? error.message : String(error)})`,
      );
    }
    this.timer = setTimeout(() => void this.connect(), this.reconnectDelayMs).unref();
    this.reconnectDelayMs = Math.min(this.reconnectDelayMs * 2, LONGEST_RECONNECT_MS);
  }

  private deliver(payload: string): void {
    const [name, id] = payload.split(':', 2);
    const kind = CHANGE_KINDS.find((known) => known === name);
    if (kind === undefined || id === undefined) return;
    for (const listener of this.listeners) listener.changed({ kind, id });
  }
}
