import { type ProbeName, SLOT_COUNT } from '@synscope/probe-wire';
import type { Session } from './session.js';
import type { SessionSet } from './session-set.js';

/** Why a record belongs to no session. */
export type Unrouted = 'max_records' | 'unknown_slot';

/** What of a record tells whose it is. */
export interface SlotBits {
  readonly revision: number;
  /** Slots 0–31 and 32–63, unsigned. */
  readonly slotsLow: number;
  readonly slotsHigh: number;
}

interface RoutedSet extends SessionSet {
  readonly sessions: readonly Session[];
}

type Route = RoutedSet | Unrouted;

/** The sessions in the slots of one configuration of the probe. */
interface SlotMap {
  readonly sessions: readonly (Session | undefined)[];
  /** By the record's bits, as text: 64 bits are no exact number. */
  readonly routes: Map<string, Route>;
}

/** Revisions kept besides those that are not confirmed yet; the wire promises that none is needed. */
const OLD_REVISIONS_KEPT = 2;

/**
 * Finds the sessions of a record. A record names the revision of the configuration whose slots it matched, so one that was made just
 * before its slot was given to another session is not mislabelled.
 */
export class RecordRouter {
  private readonly slotMaps = new Map<number, SlotMap>();
  private lastRevision = -1;
  private lastLow = 0;
  private lastHigh = 0;
  private lastRoute: Route = 'unknown_slot';

  /** `onCapReached` is called when a session has its last record. */
  constructor(private readonly onCapReached: (session: Session) => void) {}

  define(revision: number, sessions: Iterable<readonly [slot: number, session: Session]>): void {
    const bySlot: (Session | undefined)[] = new Array(SLOT_COUNT).fill(undefined);
    for (const [slot, session] of sessions) bySlot[slot] = session;
    this.slotMaps.set(revision, { sessions: bySlot, routes: new Map() });
  }

  /** No record older than this revision comes any more. */
  confirmed(revision: number): void {
    const older = [...this.slotMaps.keys()].filter((key) => key < revision).sort((a, b) => a - b);
    for (const key of older.slice(0, -OLD_REVISIONS_KEPT)) this.slotMaps.delete(key);
  }

  /** Counts the record for each of its sessions as one of this probe, or not at all. */
  route(
    { revision, slotsLow: low, slotsHigh: high }: SlotBits,
    probe: ProbeName | undefined,
  ): SessionSet | Unrouted {
    if (revision !== this.lastRevision || low !== this.lastLow || high !== this.lastHigh) {
      this.lastRoute = this.lookUp(revision, low, high);
      this.lastRevision = revision;
      this.lastLow = low;
      this.lastHigh = high;
    }
    const route = this.lastRoute;
    if (typeof route !== 'string' && probe !== undefined) {
      for (const session of route.sessions) this.count(session, probe);
    }
    return route;
  }

  private lookUp(revision: number, low: number, high: number): Route {
    const slotMap = this.slotMaps.get(revision);
    if (slotMap === undefined) return 'unknown_slot';
    const key = `${high}:${low}`;
    let route = slotMap.routes.get(key);
    if (route === undefined) {
      route = routeOf(slotMap.sessions, low, high);
      slotMap.routes.set(key, route);
    }
    return route;
  }

  private count(session: Session, probe: ProbeName): void {
    session.count(probe);
    const cap = Number(session.spec.maxRecords);
    if (cap === 0 || session.recordCount < cap) return;
    session.accepting = false;
    for (const slotMap of this.slotMaps.values()) slotMap.routes.clear();
    this.lastRevision = -1;
    this.onCapReached(session);
  }
}

function routeOf(bySlot: readonly (Session | undefined)[], low: number, high: number): Route {
  const matched = bySlot.filter(
    (session, slot): session is Session =>
      session !== undefined && (((slot < 32 ? low : high) >>> (slot & 31)) & 1) === 1,
  );
  const sessions = matched.filter((session) => session.accepting);
  if (sessions.length > 0) return { sessions, sessionIds: sessions.map((session) => session.id) };
  return matched.length > 0 ? 'max_records' : 'unknown_slot';
}
