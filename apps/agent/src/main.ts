import { setFlagsFromString } from 'node:v8';

// V8 optimizes a function fully after 3,000 calls, which happens to some (Node's scanner of CommonJS exports, for one) while the agent starts, and
// then holds 5 MB of its compiler's code resident on a host where nothing goes on. The way of a record comes to this many calls within seconds on a
// host where much goes on. Not a flag of bin/synscope-agent: Node 20 does not know it, and ends over flags that it does not know.
const [major = 0] = process.versions.node.split('.').map(Number);
if (major >= 22) setFlagsFromString('--invocation-count-for-turbofan=100000');

// Only then: what is imported above is compiled before the first line runs.
await import('./run.js');
