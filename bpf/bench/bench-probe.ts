/**
 * What tracing costs a host: loopback connections per second, bare against traced, in turns of one run.
 *
 *   all       every handshake of both sides leaves the kernel and is read here
 *   filtered  a session filter that lets nothing through (minLatencyMs 10)
 *   clients   the same filter for clients alone, which needs no hook of the server's side
 *   empty     a sockops program that does nothing, in our place: what no tracer with sockops can be cheaper than
 *
 * The median of the rounds' ratios counts: rounds lie next to each other in time, so that what else the machine does cancels out. The
 * BPF run time comes from rounds of its own, because measuring it costs time as well: the kernel looks at the clock before and after every
 * run. How much of the figure that is, a program that does nothing tells.
 */
import { parseArgs } from 'node:util';
import { MATCH_ALL, type SlotSpec } from '@synscope/probe-wire';
import { emptyProgramsCost, programsCost, withEmptyPrograms } from './bpf-cost.ts';
import { loopback, median, printReport } from './load.ts';
import { MeasuredProbe } from './measured-probe.ts';

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '25' }, seconds: { type: 'string', default: '0.5' } },
});
const rounds = Number(options.rounds);
const seconds = Number(options.seconds);

const everything: SlotSpec = { ...MATCH_ALL, slot: 0, probes: ['tcp_handshake'] };
const nothingThrough: SlotSpec = { ...everything, minLatencyNs: 10_000_000n };
const noClientThrough: SlotSpec = { ...nothingThrough, roles: [1] };

const connect = () => loopback('connections', seconds);

const modes = ['all', 'filtered', 'clients', 'empty'] as const;
const ratios: Record<(typeof modes)[number], number[]> = { all: [], filtered: [], clients: [], empty: [] };
const probe = new MeasuredProbe('--cost-sample-seconds', '0');
let emitted = 0;
let connections = 0;
console.log(
  `${rounds} rounds of ${seconds} s each: bare, ${modes.join(', ')} (connections/s, ratio to bare)`,
);
for (let round = 1; round <= rounds; round++) {
  await probe.configure();
  const bare = await connect();
  await probe.configure(everything);
  const before = probe.records;
  const all = await connect();
  await probe.configure(nothingThrough);
  emitted += probe.records - before;
  connections += all.count;
  const filtered = await connect();
  await probe.configure(noClientThrough);
  const clients = await connect();
  await probe.configure();
  const { load: empty } = await withEmptyPrograms('sockops', connect);
  const runs = { all, filtered, clients, empty };
  for (const mode of modes) ratios[mode].push(runs[mode].perSecond / bare.perSecond);
  const shown = modes.map(
    (mode) => `${runs[mode].perSecond.toFixed(0)} (${ratios[mode].at(-1)?.toFixed(3)})`,
  );
  console.log(`  ${round}: ${bare.perSecond.toFixed(0)}  ${shown.join('  ')}`);
}
await probe.configure();
const loss = probe.stats?.probes.tcp_handshake.loss;
await probe.end();

const programs = await programsCost(everything, connect);
const empty = await emptyProgramsCost('sockops', connect);

printReport([
  {
    figure: 'every record emitted and consumed, ratio to bare',
    measured: median(ratios.all),
    limit: '≥ 0.85',
  },
  {
    figure: 'filter that lets nothing through, ratio to bare',
    measured: median(ratios.filtered),
    limit: '≥ 0.95',
  },
  { figure: '  the same for clients only', measured: median(ratios.clients), limit: '' },
  { figure: '  an empty sockops program instead', measured: median(ratios.empty), limit: '' },
  { figure: 'BPF time per connection, both sides (µs)', measured: programs.microseconds, limit: '≤ 1.0' },
  { figure: '  runs per connection', measured: programs.runs, limit: '' },
  {
    figure: '  µs for as many runs of an empty program',
    measured: (empty.microseconds / empty.runs) * programs.runs,
    limit: '',
  },
  { figure: 'records per connection', measured: emitted / connections, limit: '= 2' },
  { figure: 'records lost (ring full)', measured: loss?.ringFull ?? null, limit: '' },
]);
