import type { FindingRecordKind } from '@synscope/api-contract';
import type { HandshakeEnd, ListenerSample, QueryEnd, ReceiveDrop } from '../evidence/records.js';
import type { Harm, Observation } from './rule.js';
import type { HandshakeSituation, QuerySituation } from './situation.js';

/** Records that an observation links to at most. */
export const LINKED_RECORDS = 5;

function linked(kind: FindingRecordKind, records: readonly { readonly id: string }[]) {
  return records.slice(-LINKED_RECORDS).map(({ id }) => ({ kind, id }));
}

/** A count over listener samples, which link to those that have any; null if there is none. */
export function sampled(
  observation: string,
  samples: readonly ListenerSample[],
  pick: (sample: ListenerSample) => number,
  combine: 'sum' | 'max' = 'sum',
): Observation[] {
  const with_ = samples.filter((sample) => pick(sample) > 0);
  if (with_.length === 0) return [];
  const values = with_.map(pick);
  const value = combine === 'sum' ? values.reduce((total, one) => total + one, 0) : Math.max(...values);
  return [{ observation, value, combine, records: linked('listener_sample', with_) }];
}

export function dropped(observation: string, drops: readonly ReceiveDrop[]): Observation {
  const value = drops.reduce((total, drop) => total + drop.drops, 0);
  return { observation, value, combine: 'sum', records: linked('receive_queue_drop', drops) };
}

/** One more handshake of which this is true. */
export function counted(observation: string, ...handshakes: readonly HandshakeEnd[]): Observation {
  return { observation, value: 1, combine: 'sum', records: linked('handshake', handshakes) };
}

export function longest(
  observation: string,
  value: number,
  ...handshakes: readonly HandshakeEnd[]
): Observation {
  return { observation, value, combine: 'max', records: linked('handshake', handshakes) };
}

export function queried(observation: string, ...queries: readonly QueryEnd[]): Observation {
  return { observation, value: 1, combine: 'sum', records: linked('dns_query', queries) };
}

export function longestQuery(
  observation: string,
  value: number,
  ...queries: readonly QueryEnd[]
): Observation {
  return { observation, value, combine: 'max', records: linked('dns_query', queries) };
}

/** What is known otherwise, or is not. */
export function noted(observation: string, value: string | number): Observation {
  return { observation, value, combine: 'latest', records: [] };
}

/** One handshake, for its client. */
export function harmOf({ handshake, peer, normalUs }: HandshakeSituation): Harm {
  const client = handshake.role === 'client' ? handshake.localAddress : handshake.remoteAddress;
  const hosts = peer ? [handshake.agentId, peer.agentId] : [handshake.agentId];
  return {
    clients: [client],
    hosts: [...new Set(hosts)],
    handshakes: 1,
    addedLatencyUs: Math.max(0, (handshake.latencyUs ?? 0) - normalUs),
  };
}

/** One query, for its client. */
export function harmOfQuery({ query, resolver }: QuerySituation): Harm {
  const hosts = resolver ? [query.agentId, resolver.agentId] : [query.agentId];
  return {
    clients: [query.clientAddress],
    hosts: [...new Set(hosts)],
    handshakes: 1,
    addedLatencyUs: query.elapsedUs,
  };
}
