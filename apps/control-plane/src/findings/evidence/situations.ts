import { Injectable } from '@nestjs/common';
import type { HandshakeSituation, Peer, QuerySituation } from '../rules/situation.js';
import { SLOW_ANSWER_US } from '../rules/thresholds.js';
import type { Memory } from './memory.js';
import { PeerStore } from './peer.store.js';
import { groupBy, QuestionStore, shareKey } from './question.store.js';
import { FLAG_NOT_YET_ACCEPTED, type HandshakeEnd, isLoopback, type QueryEnd } from './records.js';

/** Another port of the address counts as answering when it did so this long before the handshake began, or later. Microseconds. */
const ANSWERED_LATELY_US = 60_000_000;
/** How long resolvers of libc wait before they ask again, and a little. Microseconds. */
const ATTEMPT_US = 5_500_000;
/** A query that is lost is lost when it comes, not while its client waits. Microseconds. */
const ON_THE_WAY_US = 1_000_000;
const SLACK_US = 500_000;
/** How long a connection has waited that the probe reports as not yet accepted. Microseconds. */
const NOT_ACCEPTED_US = 60_000_000;

/** Lays beside a slow or failed record what is known of its circumstances. */
@Injectable()
export class Situations {
  constructor(
    private readonly peers: PeerStore,
    private readonly questions: QuestionStore,
  ) {}

  async ofHandshakes(
    handshakes: readonly HandshakeEnd[],
    memory: Memory,
  ): Promise<readonly HandshakeSituation[]> {
    const peers = await this.peers.peersOf(handshakes);
    return handshakes.map((handshake) =>
      handshake.role === 'client'
        ? ofClient(handshake, peers.get(handshake.id) ?? null, memory)
        : ofServer(handshake, peers.get(handshake.id) ?? null, memory),
    );
  }

  async ofQueries(queries: readonly QueryEnd[], memory: Memory): Promise<readonly QuerySituation[]> {
    if (queries.length === 0) return [];
    const answers = await this.questions.answers(queries);
    const seen = await this.seenByResolvers(queries, memory);
    const upstream = await this.sentByResolvers(queries, memory);
    return queries.map((query) => {
      const attempts = query.attempt ?? 1;
      const { fromUs, untilUs } = timeOfQuery(query);
      const host = memory.resolverOf(query);
      const lostUntilUs =
        query.outcome === 'unanswered' ? query.atUs - query.elapsedUs + ON_THE_WAY_US : untilUs;
      return {
        query,
        attempts,
        resolver:
          host && query.side === 'client'
            ? {
                ...host,
                seen: seen.get(query.id) ?? [],
                traced: memory.coverage.covers(
                  host.agentId,
                  { of: 'resolver', address: query.serverAddress, port: query.serverPort },
                  fromUs,
                  untilUs,
                ),
              }
            : null,
        upstream: upstream.get(query.id) ?? [],
        resolverDrops: memory.dropsAtResolver(query, fromUs, lostUntilUs),
        clientDrops: memory.dropsAtClient(query, fromUs, untilUs),
        answers: answers.get(shareKey(query)) ?? { ofName: 0, slowOfName: 0, ofOthers: 0, slowOfOthers: 0 },
      };
    });
  }

  private async seenByResolvers(
    queries: readonly QueryEnd[],
    memory: Memory,
  ): Promise<ReadonlyMap<string, readonly QueryEnd[]>> {
    const seen = new Map<string, readonly QueryEnd[]>();
    const hosted = queries.flatMap((query) => {
      const host = query.side === 'client' ? memory.resolverOf(query) : null;
      return host ? [{ query, agentId: host.agentId }] : [];
    });
    const byAgent = groupBy(hosted, ({ agentId }) => agentId);
    const offsets = await this.questions.clockOffsets([...byAgent.keys()]);
    for (const [agentId, asked] of byAgent) {
      const ofAgent = asked.map(({ query }) => query);
      const times = ofAgent.map(timeOfQuery);
      const fromUs = Math.min(...times.map((time) => time.fromUs)) - SLACK_US;
      const untilUs = Math.max(...times.map((time) => time.untilUs)) + ANSWERED_LATELY_US / 2;
      const records = await this.questions.seenBy(
        agentId,
        ofAgent,
        fromUs,
        untilUs,
        offsets.get(agentId) ?? 0,
      );
      const byQuestion = groupBy(records, questionKey);
      for (const query of ofAgent) {
        const time = timeOfQuery(query);
        const own = (byQuestion.get(questionKey(query)) ?? []).filter(({ atUs, elapsedUs }) => {
          const cameUs = atUs - elapsedUs;
          return cameUs >= time.fromUs - SLACK_US && cameUs <= time.untilUs + SLACK_US;
        });
        seen.set(query.id, own);
      }
    }
    return seen;
  }

  /** For slow queries: what the resolver's host asked others about the name, which are records of a client there. */
  private async sentByResolvers(
    queries: readonly QueryEnd[],
    memory: Memory,
  ): Promise<ReadonlyMap<string, readonly QueryEnd[]>> {
    const sent = new Map<string, readonly QueryEnd[]>();
    const hosted = queries.flatMap((query) => {
      const host = query.side === 'client' ? memory.resolverOf(query) : query;
      return host && query.elapsedUs >= SLOW_ANSWER_US ? [{ query, host }] : [];
    });
    const byAgent = groupBy(hosted, ({ host }) => host.agentId);
    const offsets = await this.questions.clockOffsets([...byAgent.keys()]);
    for (const [agentId, asked] of byAgent) {
      const times = asked.map(({ query }) => timeOfQuery(query));
      const records = await this.questions.sentBy(
        agentId,
        asked.map(({ query }) => query.queryName),
        Math.min(...times.map(({ fromUs }) => fromUs)) - SLACK_US,
        Math.max(...times.map(({ untilUs }) => untilUs)) + SLACK_US,
        offsets.get(agentId) ?? 0,
      );
      const byName = groupBy(records, ({ queryName }) => queryName);
      for (const { query, host } of asked) {
        const { serverAddress, serverPort } = query;
        const others = (byName.get(query.queryName) ?? []).filter(
          (other) =>
            (other.netns === null || host.netns === null || other.netns === host.netns) &&
            (other.serverAddress !== serverAddress || other.serverPort !== serverPort),
        );
        sent.set(query.id, others);
      }
    }
    return sent;
  }
}

function questionKey({ clientAddress, serverPort, queryName, queryType }: QueryEnd): string {
  return `${clientAddress}|${serverPort}|${queryName}|${queryType}`;
}

/** From the first attempt on, as far as it can be told. */
function timeOfQuery({ atUs, elapsedUs, attempt }: QueryEnd): { fromUs: number; untilUs: number } {
  return { fromUs: atUs - elapsedUs - ((attempt ?? 1) - 1) * ATTEMPT_US, untilUs: atUs };
}

function ofClient(handshake: HandshakeEnd, peer: Peer | null, memory: Memory): HandshakeSituation {
  const { agentId, remoteAddress, remotePort, atUs } = handshake;
  const beganAtUs = atUs - (handshake.latencyUs ?? 0);
  const listener = peer
    ? (memory.listeners.onHost(
        { agentId: peer.agentId, netns: null },
        remoteAddress,
        remotePort,
        beganAtUs,
        atUs,
      ) ?? memory.listeners.reachedBy(handshake, remoteAddress, remotePort, beganAtUs, atUs))
    : memory.listeners.reachedBy(handshake, remoteAddress, remotePort, beganAtUs, atUs);
  const owners = isLoopback(remoteAddress) ? [agentId] : memory.addresses.agentsAt(remoteAddress);
  const owner = owners.length === 1 ? (owners[0] ?? null) : null;
  const processName = listener?.processName ?? null;
  const covers = (agent: string) =>
    memory.coverage.covers(agent, { of: 'listener', port: remotePort, processName }, beganAtUs, atUs);
  return {
    handshake,
    peer,
    beganAtUs,
    listener,
    listenerTraced: listener !== null && covers(listener.agentId),
    serverTracedBy: owner !== null && covers(owner) ? owner : null,
    otherPortsAnswered: memory.addresses
      .answeredPorts(agentId, remoteAddress, beganAtUs - ANSWERED_LATELY_US)
      .filter((port) => port !== remotePort),
    slowAccepts: 0,
    normalUs: normalOf(handshake),
  };
}

function ofServer(handshake: HandshakeEnd, peer: Peer | null, memory: Memory): HandshakeSituation {
  const { agentId, localAddress, localPort, atUs } = handshake;
  const beganAtUs = atUs - waitOf(handshake);
  const notAccepted = (handshake.flags & FLAG_NOT_YET_ACCEPTED) !== 0;
  const endedAtUs = atUs + (notAccepted ? NOT_ACCEPTED_US : (handshake.acceptWaitUs ?? 0));
  const listener = memory.listeners.onHost(handshake, localAddress, localPort, beganAtUs, endedAtUs);
  return {
    handshake,
    peer,
    beganAtUs,
    listener,
    listenerTraced:
      listener !== null &&
      memory.coverage.covers(
        agentId,
        { of: 'listener', port: localPort, processName: listener.processName },
        beganAtUs,
        endedAtUs,
      ),
    serverTracedBy: null,
    otherPortsAnswered: [],
    slowAccepts: memory.slowAccepts(handshake),
    normalUs: normalOf(handshake),
  };
}

/** How long a request waited for its third packet; where that is not known, what the kernel waits for as many SYN-ACKs: 1 s, doubled each time. */
function waitOf({ latencyUs, synAckRetransmits }: HandshakeEnd): number {
  return latencyUs ?? 1_000_000 * 2 ** Math.min(6, synAckRetransmits + 1);
}

function normalOf({ latencyUs, srttUs, outcome }: HandshakeEnd): number {
  if (outcome !== 'established' || srttUs === null || latencyUs === null) return 0;
  return srttUs < latencyUs ? srttUs : 0;
}
