import { type Finding, linesOf, titleOf } from '../finding.ts';
import { call, type Tracker, TrackerError } from '../tracker.ts';

interface Transition {
  readonly id: string;
  readonly to: { readonly statusCategory: { readonly key: string } };
}

/** A ticket per finding. `user` is the e-mail address that the API token belongs to, `project` the key of the project. */
export function jira(url: string, user: string, token: string, project: string): Tracker {
  const issues = `${url}/rest/api/3/issue`;
  const headers = { authorization: `Basic ${Buffer.from(`${user}:${token}`).toString('base64')}` };
  const update = async (key: string, finding: Finding) => {
    await call('PUT', `${issues}/${key}`, headers, { fields: contentOf(finding) });
  };
  /** Workflows differ: the first transition into such a status. Without one a ticket is there already, or people have to move it. */
  const move = async (key: string, wanted: (category: string) => boolean) => {
    const answer = await call('GET', `${issues}/${key}/transitions`, headers);
    const transition = (answer['transitions'] as readonly Transition[]).find(({ to }) =>
      wanted(to.statusCategory.key),
    );
    if (transition === undefined)
      throw new TrackerError(`${key}: its workflow has no such transition from its present status`);
    await call('POST', `${issues}/${key}/transitions`, headers, { transition: { id: transition.id } });
  };
  return {
    async open(finding) {
      const fields = { ...contentOf(finding), project: { key: project }, issuetype: { name: 'Task' } };
      const { key } = await call('POST', issues, headers, {
        fields: { ...fields, labels: ['synscope', `synscope-${finding.id}`] },
      });
      return String(key);
    },
    update,
    async close(key, finding) {
      await update(key, finding);
      await move(key, (category) => category === 'done');
    },
    async reopen(key, finding) {
      await update(key, finding);
      await move(key, (category) => category !== 'done');
    },
  };
}

/** Atlassian Document Format: its texts hold no markup. */
function contentOf(finding: Finding) {
  const content = linesOf(finding).map((text) => ({ type: 'paragraph', content: [{ type: 'text', text }] }));
  return { summary: titleOf(finding), description: { type: 'doc', version: 1, content } };
}
