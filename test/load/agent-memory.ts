/**
 * What an idle agent costs: resident memory and CPU of agent + probe with a session of every probe running that nothing matches, as
 * `npm start` starts them. Memory is VmRSS of /proc/PID/status, in the megabytes (2^20) that ps and top show.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pass } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const LIMIT_MB = 90;
/** Long enough for some heartbeats and statistics, and for V8 to settle. */
const IDLE_SECONDS = 30;

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Cost {
  readonly residentMb: number;
  readonly cpuSeconds: number;
}

async function costOf(pid: number): Promise<Cost> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // proc_pid_stat(5): utime and stime are fields 14 and 15, in ticks of 1/100 s on every Linux that Node runs on.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    residentMb: Number(/^VmRSS:\s*(\d+) kB/m.exec(status)?.[1]) / 1024,
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
  };
}

async function descendants(of: number): Promise<number[]> {
  const children: number[] = [];
  for (const entry of await readdir('/proc')) {
    const stat = /^\d+$/.test(entry) ? await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '') : '';
    if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === of) children.push(Number(entry));
  }
  const below = await Promise.all(children.map(descendants));
  return [...children, ...below.flat()];
}

async function commandOf(pid: number): Promise<string> {
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
}

async function findAgent(start: number): Promise<{ agent: number; probe: number }> {
  for (const pid of await descendants(start)) {
    if (!(await commandOf(pid)).includes('synscope-probe')) continue;
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return { probe: pid, agent: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) };
  }
  throw new Error('no probe runs: this host cannot trace (see the lines above)');
}

const dataDir = await mkdtemp(join(tmpdir(), 'synscope-agent-memory-'));
// Postgres, which does not run as root, keeps its files in it.
await chmod(dataDir, 0o711);
const start = spawn(process.execPath, [join(root, 'tools/start.mjs')], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'inherit'],
  env: {
    ...process.env,
    SYNSCOPE_DATA_DIR: dataDir,
    SYNSCOPE_HTTP_ADDR: '127.0.0.1:0',
    SYNSCOPE_GRPC_ADDR: '127.0.0.1:0',
  },
});
try {
  let api: string | undefined;
  for await (const line of createInterface({ input: start.stdout })) {
    api ??= /REST API\s+(\S+)/.exec(line)?.[1];
    if (line.includes('Ctrl-C stops it')) break;
  }
  const token = (await readFile(join(dataDir, 'admin-token'), 'utf8')).trim();
  const answer = await fetch(`${api}/trace-sessions?wait=30s`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      name: 'idle',
      probes: ['tcp_handshake', 'dns', 'name_lookup'],
      filter: { remotePorts: [1], queryNames: ['nothing.invalid'] },
      durationSeconds: 600,
    }),
  });
  const session = (await answer.json()) as { targets: { running: number } };
  if (session.targets.running !== 1) throw new Error(`the session does not run: ${JSON.stringify(session)}`);
  const { agent, probe } = await findAgent(start.pid ?? 0);
  console.log(`idle for ${IDLE_SECONDS} s with one session …`);
  const before = await Promise.all([costOf(agent), costOf(probe)]);
  await pass(IDLE_SECONDS * 1000);
  const after = await Promise.all([costOf(agent), costOf(probe)]);
  const row = (name: string, i: 0 | 1) => ({
    process: name,
    'resident (MB)': Number(after[i].residentMb.toFixed(1)),
    'CPU (% of a core)': Number(
      (((after[i].cpuSeconds - before[i].cpuSeconds) / IDLE_SECONDS) * 100).toFixed(2),
    ),
  });
  console.table([row('agent', 0), row('probe', 1)]);
  const total = after[0].residentMb + after[1].residentMb;
  console.log(`agent + probe: ${total.toFixed(1)} MB, limit ${LIMIT_MB} MB`);
  if (total > LIMIT_MB) process.exitCode = 1;
} finally {
  const ended = once(start, 'exit');
  start.kill('SIGTERM');
  await ended;
  await rm(dataDir, { recursive: true, force: true });
}
