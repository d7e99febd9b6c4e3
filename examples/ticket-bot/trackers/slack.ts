import { type Finding, linesOf, titleOf } from '../finding.ts';
import { call, type Tracker, TrackerError } from '../tracker.ts';

/** A message per finding, which is edited. `token` has the scope chat:write, and the app is in the channel with this id. */
export function slack(url: string, token: string, channel: string): Tracker {
  const headers = { authorization: `Bearer ${token}` };
  /** Slack answers 200 to what it refuses as well. */
  const send = async (method: string, body: object) => {
    const answer = await call('POST', `${url}/api/${method}`, headers, { channel, ...body });
    if (answer['ok'] !== true) throw new TrackerError(`${method}: ${String(answer['error'])}`);
    return String(answer['ts']);
  };
  const edit = async (ts: string, text: string) => void (await send('chat.update', { ts, text }));
  return {
    open: (finding) => send('chat.postMessage', { text: textOf(finding, ':red_circle:') }),
    update: (ts, finding) => edit(ts, textOf(finding, ':red_circle:')),
    async close(ts, finding) {
      await edit(ts, textOf(finding, ':white_check_mark: resolved:'));
    },
    reopen: (ts, finding) => edit(ts, textOf(finding, ':red_circle: again:')),
  };
}

/** https://api.slack.com/reference/surfaces/formatting#escaping: without these three there is no mention and no link. */
function textOf(finding: Finding, sign: string): string {
  const escaped = (text: string) =>
    text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return `${sign} ${escaped([titleOf(finding), ...linesOf(finding)].join('\n'))}`;
}
