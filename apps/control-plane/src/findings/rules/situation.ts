import type { ListenerView } from '../evidence/listener-memory.js';
import type { HandshakeEnd, QueryEnd, ReceiveDrop } from '../evidence/records.js';

/** The other end of a handshake, and where its time went; null is not known. */
export interface Peer {
  readonly end: HandshakeEnd | null;
  readonly agentId: string;
  readonly match: 'exact' | 'probable';
  readonly lostSynWaitUs: number | null;
  readonly lostSynAckWaitUs: number | null;
}

/** A slow or failed handshake, with all that is known beside it. */
export interface HandshakeSituation {
  readonly handshake: HandshakeEnd;
  readonly peer: Peer | null;
  /** When it began; estimated from the retransmissions where its latency is not known. */
  readonly beganAtUs: number;
  /** The listener that it came to, or was meant for. */
  readonly listener: ListenerView | null;
  /** Whether every SYN that reached that listener meanwhile is in its samples. */
  readonly listenerTraced: boolean;
  /** The agent that traces listeners or the server's handshakes where the server's address is, completely and all the while: a SYN that came would have left a trace. */
  readonly serverTracedBy: string | null;
  /** Other ports of the server's address that answered this client's host of late. */
  readonly otherPortsAnswered: readonly number[];
  /** On a server: connections to the same port that waited long for accept() of late, this one included. */
  readonly slowAccepts: number;
  /** The time that is known to be normal on this path: the kernel's round trip, if it is not itself drawn out. Microseconds. */
  readonly normalUs: number;
}

/** What the sockets of a listener have reported. */
export interface ListenerSituation {
  readonly listener: ListenerView;
}

/** A slow, late or unanswered query, or one that was asked again. */
export interface QuerySituation {
  readonly query: QueryEnd;
  /** On a client: what the resolver's host saw of the same question; null if it is not known to be traced. */
  readonly resolver: {
    readonly agentId: string;
    readonly netns: number | null;
    /** The resolver's records of the question, of all its attempts. */
    readonly seen: readonly QueryEnd[];
    /** Whether a query that reached it would have left a record, all the while. */
    readonly traced: boolean;
  } | null;
  /** What the resolver's host itself asked other servers meanwhile, about the same name. */
  readonly upstream: readonly QueryEnd[];
  /** How often the question was sent until this record. */
  readonly attempts: number;
  /** Datagrams that the resolver's socket dropped meanwhile. */
  readonly resolverDrops: readonly ReceiveDrop[];
  /** Datagrams that sockets of the client dropped meanwhile. */
  readonly clientDrops: readonly ReceiveDrop[];
  /** The answers of this server within the last minute, as this side saw them. */
  readonly answers: AnswerShares;
}

export interface AnswerShares {
  /** For the name. */
  readonly ofName: number;
  readonly slowOfName: number;
  /** For other names. */
  readonly ofOthers: number;
  readonly slowOfOthers: number;
}

export interface DropSituation {
  readonly drop: ReceiveDrop;
}
