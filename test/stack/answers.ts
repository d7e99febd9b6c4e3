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
  readonly loss: { readonly records: number };
}

export interface Agent {
  readonly id: string;
  readonly hostname: string;
  readonly status: 'online' | 'offline';
}
