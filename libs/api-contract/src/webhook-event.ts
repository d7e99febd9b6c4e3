/** What bots can be told of. A name is stable: programs depend on it. */
export const WEBHOOK_EVENT_TYPES = [
  'finding.opened',
  'finding.updated',
  'finding.resolved',
  'session.completed',
  'threshold.exceeded',
] as const;
export type WebhookEventType = (typeof WEBHOOK_EVENT_TYPES)[number];
