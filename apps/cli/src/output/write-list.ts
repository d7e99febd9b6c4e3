import type { ItemOf, ListPath, ListRequest } from '../api/api-client.js';
import type { CommandRun } from '../command-run.js';
import type { ListOptions } from '../commands/flags.js';
import type { components } from '../gen/openapi.js';
import { renderCsv } from './csv.js';
import { escapeJson, escapeLines } from './escape.js';
import { type Column, renderTable } from './table.js';

type Loss = components['schemas']['Loss'];

export interface Listing<P extends ListPath> extends ListRequest<P> {
  readonly columns: readonly Column<ItemOf<P>>[];
}

/** Prints a list: a page of it as table or JSON, all of it as NDJSON or CSV as the control plane streams it. */
export async function writeList<P extends ListPath>(
  run: CommandRun,
  listing: Listing<P>,
  options: ListOptions,
): Promise<void> {
  const { output } = options;
  const isAny =
    output === 'ndjson' || output === 'csv'
      ? await writeStream(run, listing, options)
      : await writeAnswer(run, listing, options);
  if (isAny && options.failIfAny) run.exitStatus = 1;
}

/** Prints what exists as JSON alone, such as a summary, in any form. */
export async function writeAnswer<P extends ListPath>(
  run: CommandRun,
  { columns, ...request }: Listing<P>,
  options: ListOptions,
): Promise<boolean> {
  const answer = await run.api(options).list(request);
  const { items } = answer;
  switch (options.output) {
    case 'table':
      if (items.length > 0) await run.print(renderTable(columns, items, run.surroundings.output));
      await writeNotes(run, items.length, answer);
      break;
    case 'json':
      await writeJson(run, answer);
      break;
    case 'ndjson':
      for (const item of items) await run.print(`${escapeJson(JSON.stringify(item))}\n`);
      break;
    case 'csv':
      if (items.length > 0) await run.print(safeFor(run, renderCsv(items as readonly object[])));
  }
  return items.length > 0;
}

/** One document: for people with line breaks, for pipes in one line. */
export async function writeJson(run: CommandRun, answer: unknown): Promise<void> {
  const indent = run.surroundings.output.isTerminal ? 2 : undefined;
  await run.print(`${escapeJson(JSON.stringify(answer, null, indent))}\n`);
}

async function writeStream<P extends ListPath>(
  run: CommandRun,
  { columns: _columns, ...request }: Listing<P>,
  options: ListOptions,
): Promise<boolean> {
  const isCsv = options.output === 'csv';
  const bytes = await run.api(options).stream(request, isCsv ? 'text/csv' : 'application/x-ndjson');
  const decoder = new TextDecoder();
  let lines = 0;
  for await (const chunk of bytes) {
    const text = decoder.decode(chunk, { stream: true });
    lines += text.split('\n').length - 1;
    await run.print(isCsv ? safeFor(run, text) : escapeJson(text));
  }
  // The first line of CSV is the headings.
  return lines > (isCsv ? 1 : 0);
}

/** CSV has no escapes for control characters: a file has them as they are, a terminal never. */
function safeFor(run: CommandRun, csv: string): string {
  return run.surroundings.output.isTerminal ? escapeLines(csv) : csv;
}

/** What is not in the table: that there is more, and what was lost. */
async function writeNotes(run: CommandRun, shown: number, answer: object): Promise<void> {
  const nextCursor: unknown = Reflect.get(answer, 'nextCursor');
  const loss: Loss | undefined = Reflect.get(answer, 'loss');
  if (shown === 0) await run.note('nothing found');
  if (typeof nextCursor === 'string') {
    await run.note(`${shown} shown, there are more: raise --limit, use -o ndjson, or --cursor ${nextCursor}`);
  }
  if (Reflect.get(answer, 'truncated') === true) {
    await run.note(`${shown} groups shown, there are more: raise --limit`);
  }
  if (loss && (loss.records > 0 || loss.intervals.length > 0)) await run.note(lossText(loss));
}

export function lossText({ records, intervals }: Loss): string {
  const causes = [...new Set(intervals.map(({ cause }) => cause))].join(', ');
  return `counted as lost, and missing here: ${records} records${causes && ` (${causes})`}; -o json tells when`;
}
