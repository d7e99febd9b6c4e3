import { harmOfQuery, longestQuery, noted, queried } from './observe.js';
import type { Rule } from './rule.js';
import { onlyThisNameIsSlow } from './slow-name.js';
import { endpoint, serverSubject } from './subject.js';

export const nameSlow: Rule = {
  code: 'name_slow',
  looksFor: 'A name that a server answers slowly again and again, while it answers others quickly.',
  needs: [
    'records of a client or of the server: at least 2 answers for the name within a minute that took 200 ms or more, and these are most of them',
    'quick answers for other names by the same server meanwhile',
  ],
  wouldBeRefutedBy:
    '`dig @SERVER NAME` answering quickly several times in a row while other clients still wait.',
  onQuery: (situation) => {
    const { query, answers } = situation;
    if (query.outcome === 'unanswered' || !onlyThisNameIsSlow(situation)) return null;
    const { queryName, serverAddress, serverPort } = query;
    return {
      // Seen from both sides it is one finding.
      subject: serverSubject({ ...query, side: 'client' }, queryName),
      severity: 'warning',
      title: `${queryName} is slow to resolve by ${endpoint(serverAddress, serverPort)}, which is quick with other names`,
      evidence: [
        queried('slow answers', query),
        longestQuery('the slowest answer, µs', query.elapsedUs, query),
        noted(
          'answers for other names within a minute, of which quick',
          `${answers.ofOthers}, ${answers.ofOthers - answers.slowOfOthers}`,
        ),
      ],
      advice: [
        {
          what: `the servers that are responsible for ${queryName}`,
          now: `${Math.round(query.elapsedUs / 1_000)} ms`,
          suggested:
            'look with `dig +trace` which of them is slow or dead, and whether the time to live is so short that nothing is cached; trace dns on the resolver’s host to see its side',
        },
      ],
      harm: harmOfQuery(situation),
    };
  },
};
