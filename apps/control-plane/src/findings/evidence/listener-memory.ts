import { isLoopback, isWildcard, type ListenerSample } from './records.js';

/** How long samples are kept: longer than a handshake takes that the kernel retries to its end. Microseconds. */
const KEPT_US = 180_000_000;
/** A listener that more samples are known of forgets its oldest ones. */
const SAMPLES_PER_LISTENER = 400;
/** Beyond, the listeners that were silent for longest are forgotten. */
const LISTENERS = 20_000;
/** Samples end up to a second after what they count, and clocks are compared by heartbeats only. Microseconds. */
const SLACK_US = 1_500_000;

/** The listening sockets of one address and port in one network namespace: one, or a SO_REUSEPORT group. */
export interface ListenerView {
  readonly agentId: string;
  readonly netns: number | null;
  readonly address: string;
  readonly port: number;
  readonly processName: string | null;
  /** Those of the time in question, oldest first; may be none. */
  readonly samples: readonly ListenerSample[];
  readonly refusedAcceptQueueFull: number;
  readonly refusedSynQueueFull: number;
  readonly refusedUnexplained: number;
  readonly answeredByCookie: number;
  readonly acksDropped: number;
  /** The longest the accept queue was. */
  readonly acceptQueuePeak: number;
}

interface Listener {
  readonly agentId: string;
  readonly netns: number | null;
  readonly address: string;
  readonly port: number;
  samples: ListenerSample[];
}

/** What was reported of listening sockets of late. */
export class ListenerMemory {
  private readonly byPort = new Map<number, Map<string, Listener>>();
  private count = 0;

  /** Who is known to have an address: `agent|netns`. */
  constructor(
    private readonly ownersOf: (address: string) => ReadonlySet<string>,
    private readonly samplesPerListener = SAMPLES_PER_LISTENER,
  ) {}

  add(sample: ListenerSample): void {
    const listeners = this.byPort.get(sample.port) ?? new Map<string, Listener>();
    this.byPort.set(sample.port, listeners);
    const key = `${hostKey(sample)}|${sample.address}`;
    const { agentId, netns, address, port } = sample;
    const listener = listeners.get(key) ?? { agentId, netns, address, port, samples: [] };
    if (!listeners.has(key)) this.count++;
    listeners.set(key, listener);
    const last = listener.samples.at(-1);
    listener.samples.push(sample);
    if (last && last.untilUs > sample.untilUs) listener.samples.sort((a, b) => a.untilUs - b.untilUs);
    if (listener.samples.length > 2 * this.samplesPerListener)
      listener.samples = listener.samples.slice(-this.samplesPerListener);
  }

  /** Forgets what is over. */
  prune(nowUs: number): void {
    const until = this.count > LISTENERS ? nowUs - KEPT_US / 3 : nowUs - KEPT_US;
    for (const [port, listeners] of this.byPort) {
      for (const [key, listener] of listeners) {
        listener.samples = listener.samples.filter(({ untilUs }) => untilUs >= until);
        if (listener.samples.length > 0) continue;
        listeners.delete(key);
        this.count--;
      }
      if (listeners.size === 0) this.byPort.delete(port);
    }
  }

  /** The listener on a host that serves a local address and port. */
  onHost(
    host: { readonly agentId: string; readonly netns: number | null },
    address: string,
    port: number,
    fromUs: number,
    untilUs: number,
  ): ListenerView | null {
    const candidates = [...(this.byPort.get(port)?.values() ?? [])].filter(
      (listener) =>
        listener.agentId === host.agentId &&
        (host.netns === null || listener.netns === null || listener.netns === host.netns),
    );
    const listener =
      candidates.find((candidate) => candidate.address === address) ??
      candidates.find((candidate) => isWildcard(candidate.address));
    return listener ? viewOf(listener, fromUs, untilUs) : null;
  }

  /**
   * The listener that a client reached, or tried to. Null if none is known, and if several could be it: the same private address may be in use
   * in many networks.
   */
  reachedBy(
    client: { readonly agentId: string; readonly netns: number | null },
    address: string,
    port: number,
    fromUs: number,
    untilUs: number,
  ): ListenerView | null {
    if (isLoopback(address)) return this.onHost(client, address, port, fromUs, untilUs);
    const onPort = [...(this.byPort.get(port)?.values() ?? [])];
    const owners = this.ownersOf(address);
    const exact = onPort.filter((listener) => listener.address === address);
    const owned = onPort.filter((listener) => isWildcard(listener.address) && owners.has(hostKey(listener)));
    return onlyOne([...exact, ...owned].map((listener) => viewOf(listener, fromUs, untilUs)));
  }
}

function onlyOne(views: readonly ListenerView[]): ListenerView | null {
  if (views.length <= 1) return views[0] ?? null;
  const active = views.filter(({ samples }) => samples.length > 0);
  if (active.length <= 1) return active[0] ?? null;
  const troubled = active.filter(isTroubled);
  return troubled.length === 1 ? (troubled[0] ?? null) : null;
}

export function isTroubled(view: ListenerView): boolean {
  return (
    view.refusedAcceptQueueFull +
      view.refusedSynQueueFull +
      view.refusedUnexplained +
      view.answeredByCookie +
      view.acksDropped >
    0
  );
}

export function hostKey({
  agentId,
  netns,
}: {
  readonly agentId: string;
  readonly netns: number | null;
}): string {
  return `${agentId}|${netns ?? ''}`;
}

function viewOf(listener: Listener, fromUs: number, untilUs: number): ListenerView {
  const samples = listener.samples.filter(
    (sample) => sample.untilUs >= fromUs - SLACK_US && sample.fromUs <= untilUs + SLACK_US,
  );
  const sum = (pick: (sample: ListenerSample) => number) =>
    samples.reduce((total, sample) => total + pick(sample), 0);
  const { agentId, netns, address, port } = listener;
  return {
    agentId,
    netns,
    address,
    port,
    processName: listener.samples.at(-1)?.processName ?? null,
    samples,
    refusedAcceptQueueFull: sum((sample) => sample.refusedAcceptQueueFull),
    refusedSynQueueFull: sum((sample) => sample.refusedSynQueueFull),
    refusedUnexplained: sum((sample) => sample.refusedUnexplained),
    answeredByCookie: sum((sample) => sample.answeredByCookie),
    acksDropped: sum((sample) => sample.acksDroppedAcceptQueueFull + sample.acksDroppedOnCookiePath),
    acceptQueuePeak: samples.reduce((most, sample) => Math.max(most, sample.acceptQueuePeak), 0),
  };
}
