// What the tests read of the REST answers, written down apart from the server's own schemas: they hold it to its public contract.

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface Handshake {
  readonly id: string;
  readonly observedAt: string;
  readonly agentId: string;
  readonly sessionIds: readonly string[];
  readonly role: 'client' | 'server';
  readonly outcome: 'established' | 'refused' | 'timed_out' | 'unreachable' | 'aborted' | 'reset';
  readonly family: 'ipv4' | 'ipv6';
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly process: { readonly pid: number; readonly name: string } | null;
  readonly latencyUs: number | null;
  readonly acceptWaitUs: number | null;
  readonly srttUs: number | null;
  readonly synRetransmits: number | null;
  readonly synAckRetransmits: number | null;
  readonly clientIsn: number | null;
  readonly serverIsn: number | null;
  readonly netns: number | null;
}

export interface BreakdownPart {
  readonly us: number | null;
  readonly derivedFrom: string;
}

export interface Stage {
  readonly us: number;
  readonly uncertaintyUs: number;
}

export interface HandshakeDetail extends Handshake {
  readonly peer: {
    readonly handshakeId: string;
    readonly agentId: string;
    readonly hostname: string | null;
    readonly match: 'exact' | 'probable';
  } | null;
  readonly breakdown: {
    readonly networkRoundTrip: BreakdownPart;
    readonly lostSynWait: BreakdownPart;
    readonly lostSynAckWait: BreakdownPart;
    readonly serverQueue: BreakdownPart;
    readonly acceptWait: BreakdownPart;
  } | null;
  readonly stages: {
    readonly synSentToSynRecv: Stage | null;
    readonly synRecvToEstablished: Stage | null;
    readonly derivedFrom: string;
  } | null;
}

export interface DnsQuery {
  readonly id: string;
  readonly observedAt: string;
  readonly queriedAt: string;
  readonly sessionIds: readonly string[];
  readonly side: 'client' | 'resolver';
  readonly transport: 'udp' | 'tcp';
  readonly client: Endpoint;
  readonly server: Endpoint;
  readonly process: { readonly pid: number; readonly name: string } | null;
  readonly queryName: string;
  readonly queryType: string;
  readonly messageId: number;
  readonly outcome: 'answered' | 'late' | 'unanswered';
  readonly lateReason: 'asked_again' | 'socket_closed' | null;
  readonly responseCode: string | null;
  readonly latencyUs: number | null;
  readonly attempt: number | null;
  readonly lookupId: string | null;
  readonly answerCount: number | null;
  readonly truncated: boolean;
  readonly flags: readonly string[];
  readonly netns: number | null;
}

export interface NameLookup {
  readonly id: string;
  readonly process: { readonly pid: number; readonly name: string } | null;
  readonly name: string;
  readonly result: string;
  readonly latencyUs: number;
  readonly netns: number | null;
}

export interface ReceiveQueueDrop {
  readonly id: string;
  readonly side: 'client' | 'resolver';
  readonly cause: 'buffer_full' | 'memory_limit';
  readonly drops: number;
  readonly receiveBufferBytes: number;
  readonly local: Endpoint;
  readonly netns: number | null;
}

export interface Summary {
  readonly items: readonly {
    readonly group: Readonly<Record<string, string | number | null>>;
    readonly count: number;
    readonly latencyUs: Readonly<Record<'p50' | 'p90' | 'p99' | 'max' | 'mean', number | null>>;
  }[];
}

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
  readonly loss: { readonly records: number };
}

export interface TraceSession {
  readonly id: string;
  readonly state: 'pending' | 'running' | 'completed' | 'stopped' | 'failed';
  readonly targets: Readonly<
    Record<'matched' | 'pending' | 'running' | 'done' | 'failed' | 'offline', number>
  >;
  readonly recordCounts: Readonly<Partial<Record<'tcp_handshake' | 'dns' | 'name_lookup', number>>>;
  readonly loss: {
    readonly records: number;
    readonly intervals: readonly { readonly cause: string; readonly records: number }[];
  };
}

export interface Agent {
  readonly id: string;
  readonly hostname: string;
  readonly status: 'online' | 'offline';
}

export interface Finding {
  readonly id: string;
  readonly code: string;
  readonly severity: 'info' | 'warning' | 'critical';
  readonly state: 'open' | 'acknowledged' | 'resolved';
  readonly title: string;
  readonly subject: {
    readonly kind: 'listener' | 'path' | 'resolver' | 'name' | 'host';
    readonly address: string | null;
    readonly port: number | null;
    readonly name: string | null;
  };
  readonly impact: {
    readonly clients: number;
    readonly handshakes: number;
    readonly addedLatencyUs: number;
  };
  readonly evidence: readonly { readonly observation: string; readonly value: number | string }[];
}
