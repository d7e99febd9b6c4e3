/**
 * What tracing DNS costs a host: dnsperf's queries per second against the fastest of responders on loopback, bare against traced, in turns of one run.
 *
 *   slow      a session for slow queries alone (minLatencyMs 1000): nothing leaves the kernel
 *   clients   the same for the client's side alone, as on a host without a resolver
 *   all       every query of both sides leaves the kernel and is read here
 *   empty     programs that do nothing for each packet, in our place: what no tracer at that hook can be cheaper than
 *
 * Both ends are on this host, and what each costs is shown by itself: a query and its answer pass four times, out and in at either end. Ratios are
 * medians over rounds that lie next to each other in time, as in bench-probe.ts; how BPF time is measured, bpf-cost.ts tells.
 */
import { parseArgs } from 'node:util';
import { MATCH_ALL, type SlotSpec } from '@synscope/probe-wire';
import { emptyProgramsCost, programsCost, withEmptyPrograms } from './bpf-cost.ts';
import { Dnsperf } from './dnsperf.ts';
import { type Load, loopback, median, printReport } from './load.ts';
import { MeasuredProbe } from './measured-probe.ts';

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '15' }, seconds: { type: 'string', default: '1' } },
});
const rounds = Number(options.rounds);
const seconds = Number(options.seconds);

const all: SlotSpec = { ...MATCH_ALL, slot: 0, probes: ['dns'] };
const slow: SlotSpec = { ...all, minLatencyNs: 1_000_000_000n };
const clients: SlotSpec = { ...slow, dnsSides: [1] };
const resolvers: SlotSpec = { ...slow, dnsSides: [2] };

const modes = ['slow', 'clients', 'all', 'empty'] as const;
type Ratios = Record<(typeof modes)[number], number[]>;

/** Bare, then each mode, round by round. */
async function compare(name: string, run: () => Promise<Load>, probe: MeasuredProbe): Promise<Ratios> {
  const ratios: Ratios = { slow: [], clients: [], all: [], empty: [] };
  console.log(
    `${name}: ${rounds} rounds of ${seconds} s each: bare, ${modes.join(', ')} (per second, ratio to bare)`,
  );
  for (let round = 1; round <= rounds; round++) {
    const bare = await run();
    await probe.configure(slow);
    const runs = { slow: await run(), clients: bare, all: bare, empty: bare };
    await probe.configure(clients);
    runs.clients = await run();
    await probe.configure(all);
    runs.all = await run();
    await probe.configure();
    runs.empty = (await withEmptyPrograms('packets', run)).load;
    for (const mode of modes) ratios[mode].push(runs[mode].perSecond / bare.perSecond);
    const shown = modes.map(
      (mode) => `${runs[mode].perSecond.toFixed(0)} (${ratios[mode].at(-1)?.toFixed(3)})`,
    );
    console.log(`  ${round}: ${bare.perSecond.toFixed(0)}  ${shown.join('  ')}`);
  }
  return ratios;
}

await using dnsperf = await Dnsperf.start();
const ask = () => dnsperf.run(seconds);
const roundTrips = () => loopback('roundtrips', seconds);
const bulk = () => loopback('bulk', seconds);

const probe = new MeasuredProbe('--cost-sample-seconds', '0');
const queries = await compare('DNS queries', ask, probe);
const trips = await compare('TCP round trips of one byte', roundTrips, probe);
const transfers = await compare('TCP transfers of 32 KiB', bulk, probe);

/** Every query has two records, or is in the counted loss. */
await probe.configure(all);
const before = probe.stats?.probes.dns;
const recorded = probe.records;
const { count: asked } = await ask();
await probe.configure();
const after = probe.stats?.probes.dns;
const emitted = probe.records - recorded;
const lost = (['ringFull', 'pendingTableFull', 'unfinishedAtDetach'] as const).reduce(
  (sum, cause) => sum + (after?.loss[cause] ?? Number.NaN) - (before?.loss[cause] ?? 0),
  0,
);
await probe.end();

const cost = {
  both: await programsCost(slow, ask),
  client: await programsCost(clients, ask),
  resolver: await programsCost(resolvers, ask),
  all: await programsCost(all, ask),
  empty: await emptyProgramsCost('packets', ask),
  roundTrip: await programsCost(slow, roundTrips),
  bulk: await programsCost(slow, bulk),
};
const emptyRun = cost.empty.microseconds / cost.empty.runs;

printReport([
  {
    figure: 'only slow queries leave the kernel, ratio to bare',
    measured: median(queries.slow),
    limit: '≥ 0.9',
  },
  { figure: "  the same for the client's side only", measured: median(queries.clients), limit: '' },
  { figure: '  programs that do nothing instead', measured: median(queries.empty), limit: '' },
  { figure: 'every record emitted and consumed, ratio to bare', measured: median(queries.all), limit: '' },
  {
    figure: "BPF µs per query + answer, client's side asked for",
    measured: cost.client.microseconds,
    limit: '≤ 2',
  },
  { figure: "  resolver's side asked for", measured: cost.resolver.microseconds, limit: '' },
  { figure: '  both sides', measured: cost.both.microseconds, limit: '≤ 4' },
  { figure: '  both sides, every record emitted', measured: cost.all.microseconds, limit: '' },
  { figure: '  runs per query + answer, both ends', measured: cost.both.runs, limit: '' },
  { figure: '  µs for as many runs that do nothing', measured: emptyRun * cost.both.runs, limit: '' },
  { figure: 'TCP round trips while DNS is traced, ratio to bare', measured: median(trips.all), limit: '' },
  { figure: '  programs that do nothing instead', measured: median(trips.empty), limit: '' },
  { figure: 'TCP transfers while DNS is traced, ratio to bare', measured: median(transfers.all), limit: '' },
  { figure: '  programs that do nothing instead', measured: median(transfers.empty), limit: '' },
  {
    figure: 'BPF ns per run for a packet of a round trip',
    measured: (1000 * cost.roundTrip.microseconds) / cost.roundTrip.runs,
    limit: '',
  },
  {
    figure: 'BPF ns per run for a packet of a transfer',
    measured: (1000 * cost.bulk.microseconds) / cost.bulk.runs,
    limit: '',
  },
  { figure: '  ns per run that does nothing', measured: 1000 * emptyRun, limit: '' },
  { figure: 'records per query', measured: emitted / asked, limit: '= 2' },
  { figure: 'queries without a record, counted as lost', measured: lost, limit: '' },
]);
