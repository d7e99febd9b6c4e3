import type { FindingAdvice } from '@synscope/api-contract';
import type { ReceiveDrop } from '../evidence/records.js';
import { dropped, harmOfQuery, longestQuery, noted, queried } from './observe.js';
import { NO_HARM, type Rule, type Verdict } from './rule.js';
import { endpoint, resolverSubject } from './subject.js';

/** What resolvers are advised to have; the kernel holds twice what is set. Bytes. */
const ROOMY_BUFFER_BYTES = 8_388_608;

function advice({ cause, receiveBufferBytes, processName }: ReceiveDrop): FindingAdvice[] {
  const process = processName ?? 'the resolver';
  const faster: FindingAdvice = {
    what: `how fast ${process} takes queries`,
    now: null,
    suggested:
      'more threads or workers with sockets of their own (SO_REUSEPORT), more CPU, or another resolver beside it',
  };
  if (cause === 'memory_limit') {
    return [
      {
        what: 'net.ipv4.udp_mem, or the memory limit of its cgroup',
        now: null,
        suggested: 'raise whichever is reached (`cat /proc/net/sockstat`, memory.max of the cgroup)',
      },
      faster,
    ];
  }
  return [
    faster,
    {
      what: `SO_RCVBUF of ${process}`,
      now: `${receiveBufferBytes} bytes, as the kernel holds it`,
      suggested: `sysctl -w net.core.rmem_max=${ROOMY_BUFFER_BYTES}, and the resolver’s own setting (unbound: so-rcvbuf: 8m): room for bursts, not for a lasting lack`,
    },
  ];
}

function verdict(drop: ReceiveDrop): Verdict {
  const { address, port, processName, agentId, netns } = drop;
  return {
    subject: resolverSubject({ agentId, netns, name: processName }, address, port),
    severity: 'critical',
    title: `${processName ?? 'The resolver'} on ${endpoint(address, port)} loses queries: its receive queue overflows`,
    evidence: [
      dropped('queries dropped because the receive queue was full', [drop]),
      noted('receive buffer of the socket, bytes', drop.receiveBufferBytes),
      noted(
        'what had no room',
        drop.cause === 'memory_limit'
          ? 'the memory of all UDP sockets, or of the cgroup'
          : 'the socket’s receive buffer',
      ),
    ],
    advice: advice(drop),
    harm: { ...NO_HARM, hosts: [agentId] },
  };
}

export const resolverOverloaded: Rule = {
  code: 'resolver_overloaded',
  looksFor: 'Queries that a resolver’s socket dropped because its receive queue was full.',
  needs: ['drops of a socket that is bound to a DNS port, as its kernel counted them'],
  wouldBeRefutedBy:
    'RcvbufErrors in the resolver’s network namespace (`nstat -az UdpRcvbufErrors`, `ss -lunm`) that does not rise while queries are lost.',
  onDrop: ({ drop }) => (drop.side === 'resolver' ? verdict(drop) : null),
  onQuery: (situation) => {
    const { query, resolverDrops, attempts } = situation;
    const drop = resolverDrops.at(-1);
    if (drop === undefined) return null;
    if (query.side === 'resolver' && query.outcome !== 'unanswered') return null;
    const lost = query.outcome !== 'answered' || attempts > 1;
    return {
      ...verdict(drop),
      evidence: [
        queried(lost ? 'queries that got no answer in time meanwhile' : 'slow answers meanwhile', query),
        longestQuery('the longest wait, µs', query.elapsedUs, query),
      ],
      harm: harmOfQuery(situation),
    };
  },
};
