/**
 * What watching listening sockets costs a host, on loopback, both ends on this host.
 *
 *   listener  a session for every listening socket
 *   empty     programs that do nothing for each packet, in our place: what no tracer at that hook can be cheaper than
 *
 * Each run is compared with the bare runs directly before and behind it, so that what else the machine does cancels out; the median of all rounds
 * counts. Connections come to a listener by two segments; round trips and transfers show what packets pay that do not.
 */
import { parseArgs } from 'node:util';
import { MATCH_ALL, type SlotSpec } from '@synscope/probe-wire';
import { emptyProgramsCost, programsCost, withEmptyPrograms } from './bpf-cost.ts';
import { type Load, loopback, median, printReport } from './load.ts';
import { MeasuredProbe } from './measured-probe.ts';

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '15' }, seconds: { type: 'string', default: '0.5' } },
});
const rounds = Number(options.rounds);
const seconds = Number(options.seconds);

const listeners: SlotSpec = { ...MATCH_ALL, slot: 0, probes: ['listener'] };

const connections = () => loopback('connections', seconds);
const roundtrips = () => loopback('roundtrips', seconds);
const bulk = () => loopback('bulk', seconds);

const probe = new MeasuredProbe('--cost-sample-seconds', '0');

async function traced(run: () => Promise<Load>): Promise<Load> {
  await probe.configure(listeners);
  const load = await run();
  await probe.configure();
  return load;
}

interface Ratios {
  readonly listener: number;
  readonly empty: number;
}

async function compare(name: string, run: () => Promise<Load>): Promise<Ratios> {
  const ratios: { listener: number[]; empty: number[] } = { listener: [], empty: [] };
  console.log(`${name}: ${rounds} rounds of ${seconds} s for each run (per second, ratio to bare)`);
  let before = await run();
  for (let round = 1; round <= rounds; round++) {
    const listener = await traced(run);
    const between = await run();
    const { load: empty } = await withEmptyPrograms('packets', run);
    const behind = await run();
    ratios.listener.push((2 * listener.perSecond) / (before.perSecond + between.perSecond));
    ratios.empty.push((2 * empty.perSecond) / (between.perSecond + behind.perSecond));
    const shown = [
      `bare ${before.perSecond.toFixed(0)}`,
      `listener ${listener.perSecond.toFixed(0)} (${ratios.listener.at(-1)?.toFixed(3)})`,
      `empty ${empty.perSecond.toFixed(0)} (${ratios.empty.at(-1)?.toFixed(3)})`,
    ];
    console.log(`  ${round}: ${shown.join('  ')}`);
    before = behind;
  }
  return { listener: median(ratios.listener), empty: median(ratios.empty) };
}

const ofConnections = await compare('connections', connections);
const ofRoundtrips = await compare('round trips', roundtrips);
const ofBulk = await compare('transfers of 32 KiB', bulk);
await probe.end();

const perConnection = await programsCost(listeners, connections);
const perRoundtrip = await programsCost(listeners, roundtrips);
const nothing = await emptyProgramsCost('packets', roundtrips);

printReport([
  { figure: 'connections, ratio to bare', measured: ofConnections.listener, limit: '' },
  { figure: '  empty programs instead', measured: ofConnections.empty, limit: '' },
  { figure: 'round trips, ratio to bare', measured: ofRoundtrips.listener, limit: '' },
  { figure: '  empty programs instead', measured: ofRoundtrips.empty, limit: '' },
  { figure: 'transfers of 32 KiB, ratio to bare', measured: ofBulk.listener, limit: '' },
  { figure: '  empty programs instead', measured: ofBulk.empty, limit: '' },
  { figure: 'BPF time per connection (µs)', measured: perConnection.microseconds, limit: '' },
  { figure: '  runs per connection', measured: perConnection.runs, limit: '' },
  {
    figure: '  µs for as many runs of an empty program',
    measured: (nothing.microseconds / nothing.runs) * perConnection.runs,
    limit: '',
  },
  { figure: 'BPF time per round trip (µs)', measured: perRoundtrip.microseconds, limit: '' },
  { figure: '  runs per round trip', measured: perRoundtrip.runs, limit: '' },
]);
