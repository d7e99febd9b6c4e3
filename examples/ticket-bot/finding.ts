/** What the bot uses of a finding; docs/webhooks.md and the OpenAPI document have all of it. */
export interface Finding {
  readonly id: string;
  readonly code: string;
  readonly severity: 'info' | 'warning' | 'critical';
  readonly title: string;
  readonly lastSeenAt: string;
  readonly impact: { readonly clients: number; readonly hosts: number; readonly handshakes: number };
  readonly evidence: readonly { readonly observation: string; readonly value: number | string }[];
  readonly wouldBeRefutedBy: string;
  readonly advice: readonly {
    readonly what: string;
    readonly now: string | null;
    readonly suggested: string;
  }[];
}

export interface FindingEvent {
  readonly type: string;
  /** RFC 3339 with microseconds, so that the order of texts is that of time. */
  readonly timestamp: string;
  readonly data: Finding;
}

export function titleOf({ code, title }: Finding): string {
  return `[synscope] ${code}: ${title}`.replaceAll(/\s+/g, ' ').slice(0, 250);
}

/** For people, without any markup. Names of hosts, processes and domains in it were chosen by others: each tracker escapes what it must. */
export function linesOf(finding: Finding): string[] {
  const { impact, evidence, advice } = finding;
  return [
    `Severity ${finding.severity}, last seen ${finding.lastSeenAt}.`,
    `Hurts ${impact.clients} clients on ${impact.hosts} hosts; ${impact.handshakes} handshakes or queries.`,
    ...evidence.map(({ observation, value }) => `Seen: ${observation}: ${value}`),
    ...advice.map(
      ({ what, now, suggested }) => `Advice: ${what}${now === null ? '' : ` (now ${now})`}: ${suggested}`,
    ),
    `Would be refuted by: ${finding.wouldBeRefutedBy}`,
    `Finding ${finding.id}`,
  ];
}
