import type { QueryEnd } from '../evidence/records.js';
import { harmOfQuery, longestQuery, noted, queried } from './observe.js';
import type { Rule, Verdict } from './rule.js';
import type { QuerySituation } from './situation.js';
import { onlyThisNameIsSlow } from './slow-name.js';
import { endpoint, resolverSubject } from './subject.js';
import { SLOW_ANSWER_US } from './thresholds.js';

/** Both are by the clock of one host, so the query lies within the time of the other, but for what the readings of clocks take. Microseconds. */
const SLACK_US = 2_000;

/** The query to another server that the resolver waited for most of the time in which it served this one. */
function waitedFor(served: QueryEnd, upstream: readonly QueryEnd[]): QueryEnd | undefined {
  const cameUs = served.atUs - served.elapsedUs;
  return upstream.find(
    ({ atUs, elapsedUs, id }) =>
      id !== served.id &&
      elapsedUs * 2 >= served.elapsedUs &&
      atUs - elapsedUs >= cameUs - SLACK_US &&
      atUs <= served.atUs + SLACK_US,
  );
}

function verdict(
  situation: QuerySituation,
  served: QueryEnd,
  upstream: QueryEnd,
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
      longestQuery('of which it waited for another server, µs', upstream.elapsedUs, upstream),
      noted('the server that it waited for', endpoint(upstream.serverAddress, upstream.serverPort)),
      noted('a name that is slow each time', query.queryName),
      noted(
        'answers for other names within a minute, of which quick',
        `${answers.ofOthers}, ${answers.ofOthers - answers.slowOfOthers}`,
      ),
    ],
    advice: [
      {
        what: 'the servers that this resolver asks for these names',
        now: `${endpoint(upstream.serverAddress, upstream.serverPort)} took ${Math.round(upstream.elapsedUs / 1_000)} ms for ${query.queryName}`,
        suggested:
          'take a slow forwarder out, ask another one beside it, or let the resolver serve expired answers meanwhile (unbound: serve-expired)',
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
    'a query for the same name that the resolver’s host sent to another server within that time, and waited for most of it',
    'quick answers for other names by the same resolver meanwhile, and no query dropped by its socket',
  ],
  wouldBeRefutedBy: 'a capture on the resolver’s host that shows its upstream’s answer long before its own.',
  onQuery: (situation) => {
    const { query, resolver, resolverDrops } = situation;
    if (resolverDrops.length > 0 || !onlyThisNameIsSlow(situation)) return null;
    const host = query.side === 'resolver' ? query : resolver;
    const served = query.side === 'resolver' ? query : resolver?.seen.find(mostOf(query));
    const upstream = served && waitedFor(served, situation.upstream);
    return host && upstream ? verdict(situation, served, upstream, host) : null;
  },
};

/** Most of the client's wait was in the resolver. */
function mostOf(query: QueryEnd) {
  return ({ elapsedUs, outcome }: QueryEnd) =>
    elapsedUs >= SLOW_ANSWER_US && (outcome === 'unanswered' || elapsedUs * 2 >= query.elapsedUs);
}
