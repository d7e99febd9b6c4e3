import { type Command, Option } from 'commander';
import type { CommandRun } from '../command-run.js';
import { escapeJson, escapeText } from '../output/escape.js';
import { endpointText, latencyText, plainText, timeText } from '../output/values.js';
import { type SessionEvent, watchSession } from '../watch/watch-session.js';
import { addConnectionFlags, addExample, addFailIfAny, addOutputFlag, type ListOptions } from './flags.js';
import { refusedOf } from './listeners.js';

interface WatchOptions extends ListOptions {
  readonly from: 'start' | 'now';
}

export function addTraceWatch(trace: Command, run: CommandRun): void {
  const command = trace
    .command('watch')
    .argument('<id>')
    .description('show the records of a session as they arrive, until it ends; fails if the session did')
    .addOption(
      new Option('--from <where>', 'with what is there already, or what comes from now on')
        .choices(['start', 'now'])
        .default('start'),
    );
  addFailIfAny(addConnectionFlags(addOutputFlag(command, ['table', 'ndjson'])));
  addExample(command, 'synscope trace watch 0198c0de-0000-7000-8000-0000000000aa --from now');
  command.action(async (id: string, options: WatchOptions) => {
    for await (const event of watchSession(run, run.api(options), id, options.from)) {
      const isRecord = event.event !== 'session' && event.event !== 'missed' && event.event !== 'end';
      if (isRecord && options.failIfAny) run.exitStatus = 1;
      if (event.event === 'end' && event.data.state === 'failed') run.exitStatus = 1;
      if (options.output === 'ndjson') await run.print(`${escapeJson(JSON.stringify(event))}\n`);
      else if (isRecord) await run.print(`${escapeText(recordLine(event))}\n`);
      else await run.note(noteOf(event));
    }
  });
}

type NoteEvent = Extract<SessionEvent, { event: 'session' | 'missed' | 'end' }>;
type RecordEvent = Exclude<SessionEvent, NoteEvent>;

function noteOf(event: NoteEvent): string {
  switch (event.event) {
    case 'session': {
      const { state, targets } = event.data;
      return `the session is ${state}: ${targets.running} of ${targets.matched} agents run it, ${targets.failed} failed`;
    }
    case 'missed': {
      const { records, since, until } = event.data;
      return `${records} records between ${timeText(since)} and ${timeText(until)} are left out here, as too many waited; the lists have them`;
    }
    case 'end':
      return `the session has ended: ${event.data.state}`;
  }
}

function recordLine(event: RecordEvent): string {
  const { hostname, process, observedAt } = event.data;
  const who = `${plainText(process.name)} on ${plainText(hostname)}`;
  return [timeText(observedAt), ...factsOf(event), who].join('  ');
}

/** Padded, as the widths of what is still to come are not known. */
function factsOf(event: RecordEvent): readonly string[] {
  switch (event.event) {
    case 'handshake': {
      const { latencyUs, outcome, role, remote } = event.data;
      return facts('tcp', latencyUs, outcome, `${role === 'client' ? 'to' : 'from'} ${endpointText(remote)}`);
    }
    case 'dns_query': {
      const { latencyUs, outcome, responseCode, queryName, queryType, server } = event.data;
      return facts(
        'dns',
        latencyUs,
        responseCode ?? outcome,
        `${queryName} ${queryType} at ${endpointText(server)}`,
      );
    }
    case 'name_lookup': {
      const { latencyUs, result, name } = event.data;
      return facts('lookup', latencyUs, result, name);
    }
    case 'receive_queue_drop': {
      const { drops, local } = event.data;
      return facts('drop', null, `${drops} datagrams`, `at ${endpointText(local)}`);
    }
    case 'listener': {
      const { acceptQueue, local, syns } = event.data;
      const lost = refusedOf(event.data);
      const queue = `${acceptQueue.peak} of ${acceptQueue.limit} in the accept queue at most, ${syns} SYNs`;
      return facts('listen', null, `${lost} refused`, `at ${endpointText(local)}, ${queue}`);
    }
  }
}

function facts(kind: string, latencyUs: number | null, outcome: string, what: string): readonly string[] {
  return [kind.padEnd(6), latencyText(latencyUs).padStart(8), outcome.padEnd(11), what];
}
