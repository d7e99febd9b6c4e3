import { type Finding, linesOf, titleOf } from '../finding.ts';
import { call, type Tracker } from '../tracker.ts';

/** An alert per finding, by the Events API v2. Its key is the finding's id, so that PagerDuty itself knows which alert is meant. */
export function pagerduty(url: string, routingKey: string): Tracker {
  const send = async (finding: Finding, action: 'trigger' | 'resolve') => {
    await call(
      'POST',
      `${url}/v2/enqueue`,
      {},
      {
        routing_key: routingKey,
        event_action: action,
        dedup_key: finding.id,
        ...(action === 'trigger' && {
          payload: {
            summary: titleOf(finding),
            source: 'synscope',
            severity: finding.severity,
            class: finding.code,
            custom_details: { text: linesOf(finding).join('\n') },
          },
        }),
      },
    );
  };
  return {
    async open(finding) {
      await send(finding, 'trigger');
      return finding.id;
    },
    update: (_reference, finding) => send(finding, 'trigger'),
    close: (_reference, finding) => send(finding, 'resolve'),
    reopen: (_reference, finding) => send(finding, 'trigger'),
  };
}
