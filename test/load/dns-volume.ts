/**
 * Every query that dnsperf sends has one record on each side, or is in the counted loss: dnsperf and a server that reflects its queries on
 * loopback in a network namespace of their own, with everything running as `npm start` starts it.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { measureDnsVolume } from '../stack/dns-volume.ts';
import { Stack } from '../stack/stack.ts';

const { values: options } = parseArgs({
  options: {
    rate: { type: 'string', default: '20000' },
    seconds: { type: 'string', default: '10' },
    silent: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(
    'npm run bench:dns-volume -- [--rate 20000 queries per second] [--seconds 10] [--silent: none is answered]',
  );
  process.exit(0);
}
const queriesPerSecond = positive('rate');
const seconds = positive('seconds');

await using stack = await Stack.start();
const { dnsperf, taken, stored, mostOfOneQuery, lost, lostByCause, unaccounted } = await measureDnsVolume(
  await stack.api(),
  { queriesPerSecond, seconds, silent: options.silent },
);
const count = (value: number) => value.toLocaleString('en').padStart(12);
const rate = Math.round(dnsperf.queriesPerSecond);
console.log(
  `asked for          ${count(queriesPerSecond)} queries/s for ${seconds} s, ${cpus().length} CPUs`,
);
console.log(
  `dnsperf sent       ${count(dnsperf.sent)} queries, answered: ${dnsperf.completed}, at ${rate}/s`,
);
console.log(`server was asked   ${count(taken)}`);
console.log(`stored, client     ${count(stored.client)} records`);
console.log(`stored, resolver   ${count(stored.resolver)}`);
console.log(`counted as lost    ${count(lost)} ${lost > 0 ? JSON.stringify(lostByCause) : ''}`);
console.log(`unaccounted for    ${count(unaccounted)}`);
console.log(`most of one query  ${count(mostOfOneQuery)} on one side`);
process.exitCode = unaccounted === 0 && mostOfOneQuery === 1 ? 0 : 1;

function positive(name: 'rate' | 'seconds'): number {
  const value = Number(options[name]);
  if (Number.isSafeInteger(value) && value > 0) return value;
  console.error(`--${name} takes a whole number of at least 1, not ${options[name]}`);
  return process.exit(2);
}
