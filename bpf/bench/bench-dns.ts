/**
 * What tracing DNS costs a host: dnsperf's queries per second on loopback, bare against traced, in turns of one run. Against a resolver that people run
 * (dnsmasq), and against the fastest of responders, which does nothing with a query but send it back: there a query costs the whole host a few
 * microseconds, and a packet's hook alone shows.
 *
 *   slow      a session for slow queries alone (minLatencyMs 1000): nothing leaves the kernel
 *   clients   the same for the client's side alone, as on a host without a resolver
 *   all       every query of both sides leaves the kernel and is read here
 *   empty     programs that do nothing for each packet, in our place: what no tracer at that hook can be cheaper than
 *
 * Both ends are on this host, and what each costs is shown by itself: a query and its answer pass four times, out and in at either end.
 *
 * Each run is compared with the bare runs directly before and behind it, so that what else the machine does cancels out; the median of all rounds
 * counts. The CPU time that dnsperf and the responder take for each query is shown as well: on a busy machine it tells more than the throughput.
 * How BPF time is measured, bpf-cost.ts tells.
 */
import { parseArgs } from 'node:util';
import { MATCH_ALL, type SlotSpec } from '@synscope/probe-wire';
import { emptyProgramsCost, programsCost, withEmptyPrograms } from './bpf-cost.ts';
import { Dnsperf } from './dnsperf.ts';
import { type Load, loopback, median, printReport } from './load.ts';
import { MeasuredProbe } from './measured-probe.ts';

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '15' }, seconds: { type: 'string', default: '0.5' } },
});
const rounds = Number(options.rounds);
const seconds = Number(options.seconds);

const all: SlotSpec = { ...MATCH_ALL, slot: 0, probes: ['dns'] };
const slow: SlotSpec = { ...all, minLatencyNs: 1_000_000_000n };
const clients: SlotSpec = { ...slow, dnsSides: [1] };
const resolvers: SlotSpec = { ...slow, dnsSides: [2] };

const probe = new MeasuredProbe('--cost-sample-seconds', '0');

type Run = () => Promise<Load>;

async function traced(slot: SlotSpec, run: Run): Promise<Load> {
  await probe.configure(slot);
  const load = await run();
  await probe.configure();
  return load;
}

const modes = {
  slow: (run: Run) => traced(slow, run),
  clients: (run: Run) => traced(clients, run),
  all: (run: Run) => traced(all, run),
  empty: async (run: Run) => (await withEmptyPrograms('packets', run)).load,
};
type Mode = keyof typeof modes;

/** What a mode leaves of the bare throughput, and how many times the bare CPU time it takes: medians over the rounds. */
interface Ratios {
  readonly throughput: number;
  readonly cpuTime: number;
}

async function compare<M extends Mode>(name: string, run: Run, ...compared: M[]): Promise<Record<M, Ratios>> {
  const ratios = new Map<M, Ratios[]>(compared.map((mode) => [mode, []]));
  console.log(`${name}: ${rounds} rounds of ${seconds} s for each run (per second, ratio to bare)`);
  let before = await run();
  for (let round = 1; round <= rounds; round++) {
    const shown = [`bare ${before.perSecond.toFixed(0)}`];
    for (const [mode, all] of ratios) {
      const load = await modes[mode](run);
      const behind = await run();
      const toBare = (figure: (load: Load) => number) =>
        (2 * figure(load)) / (figure(before) + figure(behind));
      const throughput = toBare(({ perSecond }) => perSecond);
      all.push({ throughput, cpuTime: toBare(({ cpuMicroseconds }) => cpuMicroseconds ?? Number.NaN) });
      shown.push(`${mode} ${load.perSecond.toFixed(0)} (${throughput.toFixed(3)})`);
      before = behind;
    }
    console.log(`  ${round}: ${shown.join('  ')}`);
  }
  const medians = [...ratios].map(([mode, all]) => [
    mode,
    { throughput: median(all.map((one) => one.throughput)), cpuTime: median(all.map((one) => one.cpuTime)) },
  ]);
  return Object.fromEntries(medians) as Record<M, Ratios>;
}

await using dnsperf = await Dnsperf.start('reflector');
const ask = () => dnsperf.run(seconds);
const roundTrips = () => loopback('roundtrips', seconds);
const bulk = () => loopback('bulk', seconds);

async function compareWithResolver() {
  await using resolver = await Dnsperf.start('dnsmasq');
  return await compare(
    'DNS queries to dnsmasq',
    () => resolver.run(seconds),
    'slow',
    'clients',
    'all',
    'empty',
  );
}

const resolved = await compareWithResolver();
const queries = await compare('DNS queries to a reflector', ask, 'slow', 'clients', 'all', 'empty');
const trips = await compare('TCP round trips of one byte', roundTrips, 'slow', 'empty');
const transfers = await compare('TCP transfers of 32 KiB', bulk, 'slow', 'empty');

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
    figure: 'dnsmasq: only slow queries leave the kernel, ratio to bare',
    measured: resolved.slow.throughput,
    limit: '≥ 0.9',
  },
  {
    figure: "  the same for the client's side only",
    measured: resolved.clients.throughput,
    limit: '≥ 0.9',
  },
  { figure: '  CPU time per query, ratio to bare', measured: resolved.slow.cpuTime, limit: '' },
  { figure: "  the same for the client's side only", measured: resolved.clients.cpuTime, limit: '' },
  { figure: '  every record emitted and consumed', measured: resolved.all.throughput, limit: '' },
  { figure: '  programs that do nothing instead', measured: resolved.empty.throughput, limit: '' },
  {
    figure: 'reflector: only slow queries leave the kernel, ratio to bare',
    measured: queries.slow.throughput,
    limit: '',
  },
  { figure: "  the same for the client's side only", measured: queries.clients.throughput, limit: '' },
  { figure: '  programs that do nothing instead', measured: queries.empty.throughput, limit: '' },
  { figure: 'every record emitted and consumed, ratio to bare', measured: queries.all.throughput, limit: '' },
  {
    figure: 'CPU time per query, only slow leave the kernel, ratio to bare',
    measured: queries.slow.cpuTime,
    limit: '',
  },
  { figure: "  the same for the client's side only", measured: queries.clients.cpuTime, limit: '' },
  { figure: '  programs that do nothing instead', measured: queries.empty.cpuTime, limit: '' },
  { figure: '  every record emitted', measured: queries.all.cpuTime, limit: '' },
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
  {
    figure: 'TCP round trips while DNS is traced, ratio to bare',
    measured: trips.slow.throughput,
    limit: '',
  },
  { figure: '  programs that do nothing instead', measured: trips.empty.throughput, limit: '' },
  {
    figure: 'TCP transfers while DNS is traced, ratio to bare',
    measured: transfers.slow.throughput,
    limit: '',
  },
  { figure: '  programs that do nothing instead', measured: transfers.empty.throughput, limit: '' },
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
