import type { Command } from 'commander';
import type { CommandRun } from '../command-run.js';
import type { components } from '../gen/openapi.js';
import { plainText, timeText } from '../output/values.js';
import { writeList } from '../output/write-list.js';
import {
  addExample,
  addFlags,
  addListFlags,
  type FilterFlags,
  type ListOptions,
  PAGE_FLAGS,
  valuesOf,
} from './flags.js';

type AuditEvent = components['schemas']['AuditEvent'];

const PATH = '/api/v1/audit-events';

const FILTERS = {
  since: ['<time>', 'done since: 90s, 15m, 24h, 7d ago or an RFC 3339 time (default: ever)'],
  until: ['<time>', 'done before'],
  action: ['<name>', 'exactly this, such as api_token.create'],
  tokenId: ['<id>', 'by the holder of this API token'],
  resourceId: ['<id>', 'done to what has this id'],
  requestId: ['<id>', 'by the request with this x-request-id'],
} satisfies FilterFlags<typeof PATH>;

export function addAudit(program: Command, run: CommandRun): void {
  const command = program.command('audit').description('who changed what, newest first; for admins');
  addListFlags(addFlags(command, FILTERS));
  addExample(command, 'synscope audit --since 24h --action agent.revoke');
  command.action((options: ListOptions) =>
    writeList(
      run,
      {
        path: PATH,
        query: valuesOf({ ...FILTERS, ...PAGE_FLAGS }, options),
        columns: [
          { heading: 'TIME', text: ({ occurredAt }) => timeText(occurredAt) },
          { heading: 'WHO', text: ({ actor }) => plainText(actor.name), mayBeCut: true },
          { heading: 'FROM', text: ({ source }) => plainText(source.address) },
          { heading: 'ACTION', text: ({ action }) => action },
          { heading: 'ID', text: ({ resource }) => plainText(resource.id) },
          { heading: 'CHANGED', text: changeText, mayBeCut: true },
        ],
      },
      options,
    ),
  );
}

/** Of a change the fields with their values before and after; else what was created or deleted. */
function changeText({ before, after }: AuditEvent): string {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  const value = (of: AuditEvent['before'], name: string) => JSON.stringify(of?.[name]) ?? '';
  const parts = names.map((name) =>
    before && after
      ? `${name}: ${value(before, name)} → ${value(after, name)}`
      : `${name}: ${value(before ?? after, name)}`,
  );
  return plainText(parts.join(', '));
}
