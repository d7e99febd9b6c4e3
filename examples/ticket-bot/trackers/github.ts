import { type Finding, linesOf, titleOf } from '../finding.ts';
import { call, type Tracker } from '../tracker.ts';

/** An issue per finding. `token` may write issues of `repository`, such as acme/network. */
export function github(url: string, repository: string, token: string): Tracker {
  const issues = `${url}/repos/${repository}/issues`;
  const headers = { authorization: `Bearer ${token}`, 'x-github-api-version': '2022-11-28' };
  const content = (finding: Finding) => ({ title: titleOf(finding), body: bodyOf(finding) });
  return {
    async open(finding) {
      const { number } = await call('POST', issues, headers, {
        ...content(finding),
        labels: ['synscope', finding.code],
      });
      return String(number);
    },
    async update(number, finding) {
      await call('PATCH', `${issues}/${number}`, headers, content(finding));
    },
    async close(number, finding) {
      await call('PATCH', `${issues}/${number}`, headers, {
        ...content(finding),
        state: 'closed',
        state_reason: 'completed',
      });
    },
    async reopen(number, finding) {
      await call('PATCH', `${issues}/${number}`, headers, { ...content(finding), state: 'open' });
    },
  };
}

/** As code, in which neither a mention nor a link nor an image can be; a fence of any length in it would be shorter than this one. */
function bodyOf(finding: Finding): string {
  const text = linesOf(finding).join('\n');
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}text\n${text}\n${fence}`;
}
