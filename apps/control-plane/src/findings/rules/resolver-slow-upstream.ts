import type { QueryEnd } from '../evidence/records.js';
import { harmOfQuery, longestQuery, noted, queried } from './observe.js';
import type { Rule, Verdict } from './rule.js';
import type { QuerySituation } from './situation.js';
import { onlyThisNameIsSlow } from './slow-name.js';
import { endpoint, resolverSubject } from './subject.js';
import { SLOW_ANSWER_US } from './thresholds.js';

function verdict(
  situation: QuerySituation,
  served: QueryEnd,
  host: { readonly agentId: string; readonly netns: number | null },
): Verdict {
  const { query, answers } = situation;
  const { serverAddress: address, serverPort: port } = query;
  const name = served.processName;
  return {
    subject: resolverSubject({ ...host, name }, address, port),
    severity: served.outcome === 'unanswered' ? 'critical' : 'warning',
    title: `${name ?? 'The resolver'} on ${endpoint(address, port)} waits for its upstream: some names are slow, others are not`,
    evidence: [
      queried(
        'queries that the resolver itself took long to answer',
        ...(served === query ? [query] : [query, served]),
      ),
      longestQuery('the longest time in the resolver, µs', served.elapsedUs, served),
      noted('a name that is slow each time', query.queryName),
      noted(
        'answers for other names within a minute, of which quick',
        `${answers.ofOthers}, ${answers.ofOthers - answers.slowOfOthers}`,
      ),
    ],
    advice: [
      {
        what: 'the servers that this resolver asks for these names',
        now: `${Math.round(served.elapsedUs / 1_000)} ms for ${query.queryName}`,
        suggested:
          'trace dns on the resolver’s host with dnsSides client to see which upstream is slow (`dig +trace` by hand); take a slow forwarder out, or let the resolver serve expired answers meanwhile (unbound: serve-expired)',
      },
    ],
    harm: harmOfQuery(situation),
  };
}

export const resolverSlowUpstream: Rule = {
  code: 'resolver_slow_upstream',
  looksFor:
    'Names that a resolver takes long to answer, again and again, while it answers others quickly: it waits for somebody else.',
  needs: [
    'the resolver’s own records: at least 2 answers for the name within a minute that took it 200 ms or more, and these are most of them',
    'quick answers for other names by the same resolver meanwhile, and no query dropped by its socket',
  ],
  wouldBeRefutedBy:
    'the resolver’s own queries to its upstream, traced with dnsSides client on its host, that are answered quickly.',
  onQuery: (situation) => {
    const { query, resolver, resolverDrops } = situation;
    if (resolverDrops.length > 0 || !onlyThisNameIsSlow(situation)) return null;
    if (query.side === 'resolver') return verdict(situation, query, query);
    if (resolver === null) return null;
    // Most of the client's wait was in the resolver.
    const served = resolver.seen.find(
      ({ elapsedUs, outcome }) =>
        elapsedUs >= SLOW_ANSWER_US && (outcome === 'unanswered' || elapsedUs * 2 >= query.elapsedUs),
    );
    return served ? verdict(situation, served, resolver) : null;
  },
};
