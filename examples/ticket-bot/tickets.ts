import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { FindingEvent } from './finding.ts';
import type { Tracker } from './tracker.ts';

interface Ticket {
  /** Null: the finding was over before the bot heard of it. */
  readonly reference: string | null;
  readonly isOpen: boolean;
  /** Of the last event that was acted on. */
  readonly timestamp: string;
}

/** One ticket per finding. Which is whose is kept in a file, so that the bot may be restarted. */
export class Tickets {
  readonly #tracker: Tracker;
  readonly #file: string;
  readonly #tickets: Map<string, Ticket>;
  /** What is done for a finding is done one after the other. */
  readonly #queues = new Map<string, Promise<void>>();

  constructor(tracker: Tracker, file: string) {
    this.#tracker = tracker;
    this.#file = file;
    this.#tickets = new Map(Object.entries(readTickets(file)));
  }

  /** Resolves when the ticket says what the event says. An event may come twice, and after one that is newer: then nothing is done. */
  async apply(event: FindingEvent): Promise<void> {
    const { id } = event.data;
    const before = this.#queues.get(id) ?? Promise.resolve();
    const turn = before.catch(() => undefined).then(() => this.#apply(event));
    this.#queues.set(id, turn);
    try {
      await turn;
    } finally {
      if (this.#queues.get(id) === turn) this.#queues.delete(id);
    }
  }

  async #apply({ type, timestamp, data: finding }: FindingEvent): Promise<void> {
    const known = this.#tickets.get(finding.id);
    const isOver = type === 'finding.resolved';
    if (known !== undefined && timestamp < known.timestamp) return;
    // Of the same millisecond: the same event again, unless it ends what the one before has opened.
    if (known !== undefined && timestamp === known.timestamp && !(isOver && known.isOpen)) return;
    let reference = known?.reference ?? null;
    if (reference === null) {
      if (!isOver) reference = await this.#tracker.open(finding);
    } else if (isOver) {
      if (known?.isOpen) await this.#tracker.close(reference, finding);
    } else if (known?.isOpen) {
      await this.#tracker.update(reference, finding);
    } else {
      await this.#tracker.reopen(reference, finding);
    }
    this.#tickets.set(finding.id, { reference, isOpen: !isOver, timestamp });
    this.#write();
  }

  /** Another file takes the place of the old one: a crash leaves one or the other. */
  #write(): void {
    writeFileSync(`${this.#file}.new`, JSON.stringify(Object.fromEntries(this.#tickets)), { mode: 0o600 });
    renameSync(`${this.#file}.new`, this.#file);
  }
}

function readTickets(file: string): Record<string, Ticket> {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw error;
  }
}
