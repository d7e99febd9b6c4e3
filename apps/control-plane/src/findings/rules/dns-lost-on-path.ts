import { harmOfQuery, longestQuery, noted, queried } from './observe.js';
import type { Rule } from './rule.js';
import { endpoint, serverSubject } from './subject.js';
import { SLOW_ANSWER_US } from './thresholds.js';

export const dnsLostOnPath: Rule = {
  code: 'dns_lost_on_path',
  looksFor: 'Queries or answers that vanish between a client and its resolver.',
  needs: [
    'a client’s query without an answer in time, or asked again',
    'the resolver’s host, traced completely, which saw fewer queries than were sent, or answered all of them quickly',
    'no datagram dropped by the sockets of either end meanwhile',
  ],
  wouldBeRefutedBy: 'captures on both hosts that show each query arriving and each answer too.',
  onQuery: (situation) => {
    const { query, resolver, attempts, resolverDrops, clientDrops } = situation;
    const lost = query.outcome !== 'answered' || attempts > 1;
    if (query.side !== 'client' || !lost || resolver === null || !resolver.traced) return null;
    if (resolverDrops.length > 0 || clientDrops.length > 0) return null;
    const { seen } = resolver;
    const fewer = seen.length < attempts;
    const quick = seen.every(
      ({ outcome, elapsedUs }) => outcome !== 'unanswered' && elapsedUs < SLOW_ANSWER_US,
    );
    if (!fewer && !quick) return null;
    const subject = { ...serverSubject(query), agentId: resolver.agentId };
    return {
      subject,
      severity: query.outcome === 'unanswered' ? 'critical' : 'warning',
      title: `DNS packets are lost between clients and ${endpoint(query.serverAddress, query.serverPort)}`,
      evidence: [
        queried(
          fewer
            ? 'queries that the resolver’s host never saw'
            : 'answers that the resolver sent and the client never got in time',
          query,
          ...seen.slice(0, 2),
        ),
        longestQuery('the longest wait, µs', query.elapsedUs, query),
        noted('datagrams dropped by the sockets of either end meanwhile', 0),
      ],
      advice: [
        {
          what: 'the way between the clients and the resolver',
          now: null,
          suggested:
            'look for drops where the packets pass: `ip -s link` and `ethtool -S` on both hosts, firewalls, full connection tracking tables (`conntrack -S`; two queries at once from one socket race in it), answers too large for the path (fragments)',
        },
      ],
      harm: harmOfQuery(situation),
    };
  },
};
