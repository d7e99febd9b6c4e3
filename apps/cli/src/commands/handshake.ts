import type { Command } from 'commander';
import type { AnswerOf } from '../api/api-client.js';
import type { CommandRun } from '../command-run.js';
import { type Column, renderTable } from '../output/table.js';
import { endpointText, latencyText, plainText, timeText } from '../output/values.js';
import { writeJson } from '../output/write-list.js';
import { addConnectionFlags, addExample, addOutputFlag, type ListOptions } from './flags.js';

const PATH = '/api/v1/handshakes/{id}';
type Detail = AnswerOf<typeof PATH>;

/** One line: what is told, how much, and why it can be told. */
interface Fact {
  readonly what: string;
  readonly value: string;
  readonly from: string;
}

export function addHandshake(program: Command, run: CommandRun): void {
  const command = program
    .command('handshake')
    .argument('<id>', 'as synscope slow -o json has it')
    .description('one TCP handshake: the record of its other end, and where the time went');
  addConnectionFlags(addOutputFlag(command, ['table', 'json']));
  addExample(command, 'synscope handshake 019bb1c2-0000-7000-8000-000000000000');
  command.action(async (id: string, options: ListOptions) => {
    const { data } = await run.api(options).operations.GET(PATH, { params: { path: { id } } });
    if (data === undefined) throw new TypeError('the control plane answered nothing');
    if (options.output === 'json') await writeJson(run, data);
    else await run.print(renderTable(COLUMNS, factsOf(data), run.surroundings.output));
  });
}

const COLUMNS: readonly Column<Fact>[] = [
  { heading: 'WHAT', text: ({ what }) => what },
  { heading: 'VALUE', text: ({ value }) => value },
  { heading: 'FROM', text: ({ from }) => from, mayBeCut: true },
];

function factsOf(detail: Detail): Fact[] {
  const { role, outcome, latencyUs, local, remote, peer, breakdown, stages } = detail;
  const facts: Fact[] = [
    { what: role, value: plainText(detail.hostname), from: timeText(detail.observedAt) },
    { what: 'outcome', value: outcome, from: `${endpointText(local)} with ${endpointText(remote)}` },
    { what: 'latency', value: latencyText(latencyUs), from: `of the ${role}` },
    {
      what: 'other end',
      value: peer === null ? '-' : plainText(peer.hostname),
      from: peer === null ? 'not known: not traced, or not here yet' : `${peer.match}: ${peer.handshakeId}`,
    },
  ];
  if (breakdown !== null) {
    const part = (what: string, { us, derivedFrom }: NonNullable<Detail['breakdown']>['acceptWait']) =>
      facts.push({ what, value: latencyText(us), from: derivedFrom });
    part('network round trip', breakdown.networkRoundTrip);
    part('wait for a lost SYN', breakdown.lostSynWait);
    part('wait for a lost SYN-ACK', breakdown.lostSynAckWait);
    part('server queue', breakdown.serverQueue);
    part('accept wait', breakdown.acceptWait);
  }
  if (stages !== null) {
    const stage = (what: string, of: NonNullable<Detail['stages']>['synSentToSynRecv']) =>
      facts.push({
        what,
        value: of === null ? '-' : `${latencyText(of.us)} ±${latencyText(of.uncertaintyUs)}`,
        from: stages.derivedFrom,
      });
    stage('SYN_SENT to SYN_RECV', stages.synSentToSynRecv);
    stage('SYN_RECV to ESTABLISHED', stages.synRecvToEstablished);
  }
  return facts;
}
