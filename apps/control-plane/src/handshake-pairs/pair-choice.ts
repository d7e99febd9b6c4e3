/** A client's record and a server's with the same initial sequence numbers, neither in a pair yet. */
export interface Candidate {
  readonly clientId: string;
  readonly clientAgentId: string;
  readonly clientObservedUs: number;
  /** Addresses and ports, as one text. */
  readonly clientEnds: string;
  readonly serverId: string;
  readonly serverAgentId: string;
  readonly serverObservedUs: number;
  readonly serverEnds: string;
  /** Whether the ends agree: what is local here is remote there. */
  readonly exact: boolean;
}

/**
 * Which of several candidates with the same numbers belong together. There are several if two agents see one network namespace, or if a pair
 * of numbers comes again. Every record is in one pair at most.
 */
export function choosePairs(candidates: readonly Candidate[]): Candidate[] {
  const exact = candidates.filter((candidate) => candidate.exact);
  if (exact.length > 0)
    return [...Map.groupBy(exact, ({ clientEnds }) => clientEnds).values()].flatMap(together);
  // Through NAT the numbers are the only evidence, so that two different connections that have them are one too many.
  const ends = (pick: (candidate: Candidate) => string) => new Set(candidates.map(pick)).size;
  const isOne = ends(({ clientEnds }) => clientEnds) === 1 && ends(({ serverEnds }) => serverEnds) === 1;
  return isOne ? together(candidates) : [];
}

/** Of candidates between the same ends: what one agent saw of both ends first, because it has one clock. */
function together(candidates: readonly Candidate[]): Candidate[] {
  const own = take(candidates.filter(({ clientAgentId, serverAgentId }) => clientAgentId === serverAgentId));
  const taken = new Set(own.flatMap(({ clientId, serverId }) => [clientId, serverId]));
  const others = candidates.filter(({ clientId, serverId }) => !taken.has(clientId) && !taken.has(serverId));
  return [...own, ...take(others)];
}

/**
 * Each record once. With as many of one side as of the other in the order of their times, which holds however far their clocks are apart;
 * else what is nearest in time.
 */
function take(candidates: readonly Candidate[]): Candidate[] {
  const clients = inOrder(candidates, ({ clientId, clientObservedUs }) => [clientId, clientObservedUs]);
  const servers = inOrder(candidates, ({ serverId, serverObservedUs }) => [serverId, serverObservedUs]);
  const distance = ({ clientId, serverId, clientObservedUs, serverObservedUs }: Candidate) =>
    clients.length === servers.length
      ? Math.abs(clients.indexOf(clientId) - servers.indexOf(serverId))
      : Math.abs(clientObservedUs - serverObservedUs);
  const pairs: Candidate[] = [];
  const taken = new Set<string>();
  for (const candidate of candidates.toSorted(
    (left, right) => distance(left) - distance(right) || (left.clientId < right.clientId ? -1 : 1),
  )) {
    if (taken.has(candidate.clientId) || taken.has(candidate.serverId)) continue;
    taken.add(candidate.clientId).add(candidate.serverId);
    pairs.push(candidate);
  }
  return pairs;
}

function inOrder(
  candidates: readonly Candidate[],
  pick: (candidate: Candidate) => readonly [id: string, observedUs: number],
): string[] {
  const times = new Map(candidates.map(pick));
  return [...times.keys()].sort(
    (left, right) => (times.get(left) ?? 0) - (times.get(right) ?? 0) || (left < right ? -1 : 1),
  );
}
