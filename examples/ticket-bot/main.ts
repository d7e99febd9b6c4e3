/** One ticket per finding of Synscope: opened, updated and closed. docs/bots.md says how it is set up. */
import { createBot } from './bot.ts';
import { Tickets } from './tickets.ts';
import type { Tracker } from './tracker.ts';
import { github } from './trackers/github.ts';
import { jira } from './trackers/jira.ts';
import { pagerduty } from './trackers/pagerduty.ts';
import { slack } from './trackers/slack.ts';

function setting(name: string, fallback?: string): string {
  const value = process.env[name] || fallback;
  if (value !== undefined) return value;
  console.error(`${name} is not set; docs/bots.md says to what`);
  process.exit(2);
}

const TRACKERS: Readonly<Record<string, () => Tracker>> = {
  github: () =>
    github(
      setting('GITHUB_URL', 'https://api.github.com'),
      setting('GITHUB_REPOSITORY'),
      setting('GITHUB_TOKEN'),
    ),
  jira: () => jira(setting('JIRA_URL'), setting('JIRA_USER'), setting('JIRA_TOKEN'), setting('JIRA_PROJECT')),
  slack: () =>
    slack(setting('SLACK_URL', 'https://slack.com'), setting('SLACK_TOKEN'), setting('SLACK_CHANNEL')),
  pagerduty: () =>
    pagerduty(setting('PAGERDUTY_URL', 'https://events.pagerduty.com'), setting('PAGERDUTY_ROUTING_KEY')),
};

const name = setting('TRACKER');
const tracker = TRACKERS[name];
if (tracker === undefined) {
  console.error(`TRACKER=${name}: expected one of ${Object.keys(TRACKERS).join(', ')}`);
  process.exit(2);
}
const tickets = new Tickets(tracker(), setting('STATE_FILE', 'tickets.json'));
const bot = createBot(setting('SYNSCOPE_WEBHOOK_SECRET'), tickets);
const [host, port] = [setting('HOST', '127.0.0.1'), Number(setting('PORT', '8090'))];
bot.listen(port, host, () => console.log(`listening on ${host}:${port}, tickets go to ${name}`));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => bot.close());
