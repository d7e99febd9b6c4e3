import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, expect, it } from 'vitest';
import { dnsSlot } from './dns-records.js';
import { cgroupMount, everything, isOf, ProbeProcess, spawnTraffic, traffic } from './probe-process.js';

const run = promisify(execFile);
const probePath = fileURLToPath(new URL('../.build/synscope-probe', import.meta.url));
const probes: ProbeProcess[] = [];

function startProbe(...options: string[]): ProbeProcess {
  const probe = new ProbeProcess(...options);
  probes.push(probe);
  return probe;
}

afterEach(async () => {
  await Promise.all(probes.splice(0).map((probe) => probe.end()));
});

/** Programs that a process holds attached, by their links (proc_pid_fdinfo(5)). */
async function attachedPrograms(pid: number | undefined): Promise<number[]> {
  const descriptors = await readdir(`/proc/${pid}/fdinfo`);
  const infos = await Promise.all(descriptors.map((fd) => readFile(`/proc/${pid}/fdinfo/${fd}`, 'utf8')));
  return infos
    .filter((info) => info.includes('link_type:'))
    .map((info) => Number(/prog_id:\s*(\d+)/.exec(info)?.[1]));
}

async function programsOnCgroup(): Promise<number[]> {
  const { stdout } = await run('bpftool', ['--json', 'cgroup', 'show', await cgroupMount()]);
  return (JSON.parse(stdout.trim() || '[]') as { id: number }[]).map(({ id }) => id);
}

it('says hello with what this kernel can measure', async () => {
  const hello = await startProbe().hello;
  expect(hello.capabilities.map(({ name }) => name)).toEqual([
    'tcp_handshake.client',
    'tcp_handshake.server',
    'tcp_handshake.accept_wait',
    'tcp_handshake.syn_ack_retransmits',
    'tcp_handshake.server_reset',
    'dns.client',
    'dns.resolver',
    'dns.late_after_close',
    'dns.receive_queue_drops',
    'listener.samples',
    'listener.refused_syns',
    'listener.dropped_acks',
    'name_lookup',
  ]);
  expect(hello.capabilities.filter(({ available }) => !available)).toEqual([]);
});

it('attaches with the first session, detaches with the last, and leaves nothing behind when killed', async () => {
  const probe = startProbe();
  await probe.hello;
  const { pid } = probe.process;
  expect(await attachedPrograms(pid)).toEqual([]);
  const answer = await probe.configure(everything);
  expect(answer).toMatchObject({ attached: true, errors: [] });
  expect(Object.keys(answer.hooks)).toEqual(['tcp_handshake']);
  expect(answer.hooks.tcp_handshake).toContain('cgroup_sockops');
  expect(await attachedPrograms(pid)).toHaveLength(answer.hooks.tcp_handshake?.length ?? 0);
  expect(await probe.configure()).toMatchObject({ attached: false, hooks: {}, errors: [] });
  expect(await attachedPrograms(pid)).toEqual([]);
  await probe.configure(everything);
  const attached = await attachedPrograms(pid);
  expect(await programsOnCgroup()).toEqual(expect.arrayContaining([expect.toBeOneOf(attached)]));
  const closed = once(probe.process, 'close');
  probe.process.kill('SIGKILL');
  await closed;
  // A link of a dead process is released by a worker of the kernel, soon.
  await expect.poll(programsOnCgroup).not.toEqual(expect.arrayContaining([expect.toBeOneOf(attached)]));
});

it('attaches the hooks of the server’s side only while a session asks for it', async () => {
  const probe = startProbe();
  const clients = { ...everything, roles: [1] };
  expect((await probe.configure(clients)).hooks).toEqual({ tcp_handshake: ['cgroup_sockops'] });
  const truth = await traffic('established_ipv4');
  expect(await probe.take(1, isOf(truth))).toMatchObject([{ role: 'client' }]);
  expect((await probe.configure(clients, { ...everything, slot: 1 })).hooks.tcp_handshake).toContain(
    'tracepoint/syscalls/sys_exit_accept4',
  );
  expect((await probe.configure(clients)).hooks).toEqual({ tcp_handshake: ['cgroup_sockops'] });
  expect(await attachedPrograms(probe.process.pid)).toHaveLength(1);
});

it('attaches DNS, and what else a session asks for, each by itself', async () => {
  const probe = startProbe();
  const both = await probe.configure(everything, dnsSlot(1));
  expect(both.hooks).toEqual({
    tcp_handshake: expect.arrayContaining(['cgroup_sockops']),
    dns: [
      'tp_btf/udp_fail_queue_rcv_skb',
      'tp_btf/kfree_skb',
      'iter/bpf_map_elem',
      'iter/bpf_map_elem (overflow)',
      'cgroup/connect4',
      'cgroup/connect6',
      'cgroup_skb/ingress',
      'cgroup_skb/egress',
    ],
  });
  const dnsAlone = await probe.configure(dnsSlot(1));
  expect(dnsAlone.hooks).toEqual({ dns: both.hooks.dns });
  expect(await attachedPrograms(probe.process.pid)).toHaveLength(both.hooks.dns?.length ?? 0);
  expect((await probe.configure(everything)).hooks).toEqual({ tcp_handshake: both.hooks.tcp_handshake });
  expect(await probe.configure()).toMatchObject({ attached: false, hooks: {} });
  expect(await attachedPrograms(probe.process.pid)).toEqual([]);
});

it('reports who waits for accept() when the last session of servers ends', async () => {
  const probe = startProbe();
  const clients = { ...everything, roles: [1] };
  await probe.configure(clients, { ...everything, slot: 1 });
  const waiting = traffic('slow_accept');
  await probe.take(
    1,
    ({ role, localPort, remotePort }) => role === 'client' && remotePort === 7000 && localPort > 0,
  );
  await probe.configure(clients);
  const truth = await waiting;
  const [server] = await probe.take(1, (record) => record.role === 'server' && isOf(truth)(record));
  expect(server).toMatchObject({ outcome: 'established', acceptWaitUs: -1, slots: 2n });
});

it('keeps only the capabilities that attaching needs', async () => {
  const probe = startProbe();
  await probe.configure(everything);
  const status = await readFile(`/proc/${probe.process.pid}/status`, 'utf8');
  const capabilities = (set: string) =>
    BigInt(`0x${new RegExp(`^${set}:\\s*([0-9a-f]+)`, 'm').exec(status)?.[1]}`);
  const [netAdmin, perfmon, bpf] = [12n, 38n, 39n];
  const needed = (1n << netAdmin) | (1n << perfmon) | (1n << bpf);
  expect(capabilities('CapEff')).toBe(needed);
  expect(capabilities('CapPrm')).toBe(needed);
  expect(capabilities('CapBnd')).toBe(0n);
  expect(status).toMatch(/^NoNewPrivs:\s*1$/m);
});

it('measures what it costs', async () => {
  const probe = startProbe('--cost-sample-seconds', '3600');
  await probe.configure(everything);
  await traffic('established_ipv4');
  await probe.configure();
  const { bpf } = probe.stats ?? {};
  expect(bpf?.runCount).toBeGreaterThan(3);
  expect(bpf?.runTimeNs).toBeGreaterThan(0);
  expect(bpf?.runTimeNs).toBeLessThan(bpf?.sampledNs ?? 0);
});

it('counts what was under way when it detached', async () => {
  const probe = startProbe();
  await probe.configure(everything);
  const attempt = spawnTraffic('aborted');
  const ended = once(attempt, 'close');
  await once(attempt.stderr as NodeJS.ReadableStream, 'data');
  await probe.configure();
  expect(probe.stats?.probes.tcp_handshake.loss.unfinishedAtDetach).toBeGreaterThanOrEqual(1);
  await ended;
});

it('counts what a full ring cannot take', async () => {
  const probe = startProbe('--ring-bytes', '4096');
  await probe.configure(everything);
  // Nobody reads for a while: the pipe and then the ring fill up.
  probe.process.stdout?.pause();
  await run(fileURLToPath(new URL('../.build/loopback', import.meta.url)), ['0.3']);
  probe.process.stdout?.resume();
  await probe.configure();
  const { offered, emitted, loss } = probe.stats?.probes.tcp_handshake ?? {};
  expect(loss?.ringFull).toBeGreaterThan(0);
  expect(offered).toBe((emitted ?? 0) + (loss?.ringFull ?? 0));
  expect(probe.records.length).toBe(emitted);
});

it('counts what a full table of unfinished handshakes cannot take', async () => {
  const probe = startProbe('--pending-max', '1');
  await probe.configure(everything);
  await Promise.all([traffic('slow_accept'), traffic('slow_accept'), traffic('slow_accept')]);
  await probe.configure();
  expect(probe.stats?.probes.tcp_handshake.loss.pendingTableFull).toBeGreaterThan(0);
});

it('refuses a configuration that contradicts itself, and keeps the one in force', async () => {
  const probe = startProbe();
  await probe.configure(everything);
  const frame = Buffer.alloc(8 + 8);
  frame.writeUInt32LE(8, 0);
  frame.writeUInt16LE(16, 4);
  frame.writeUInt32LE(7, 8);
  frame.writeUInt32LE(65, 12);
  const answer = probe.answerTo(frame);
  expect(await answer).toMatchObject({
    revision: 7,
    attached: true,
    errors: [{ slot: null, message: 'slot_count is 65, more than 64' }],
  });
  const truth = await traffic('established_ipv4');
  expect(await probe.take(2, isOf(truth))).toHaveLength(2);
});

it('without any capability says what it lacks, and goes on', async () => {
  const { stdout } = await run('setpriv', [
    '--bounding-set=-all',
    '--inh-caps=-all',
    'sh',
    '-c',
    `${probePath} </dev/null`,
  ]);
  expect(stdout).toContain(
    'the probe lacks CAP_BPF: run it as root, or give it CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN',
  );
  expect(stdout).toContain('"name":"tcp_handshake.client","available":false');
});

it.each([
  [['--ring-bytes', '5000'], 'give a power of two from 4096 to 1073741824'],
  [['--pending-max', '0'], 'give a power of two from 1 to 16777216'],
  [['--accept-deadline-ms', 'soon'], 'give milliseconds from 1 to 86400000'],
  [['--dns-pending-max', '48'], 'give a power of two from 4 to 16777216'],
  [['--dns-deadline-ms', '0'], 'give milliseconds from 1 to 3600000'],
  [['extra'], 'no arguments are taken'],
])('refuses %j with exit code 2 and the fix', async (options, message) => {
  const failure = await run(probePath, options).catch((error: { code: number; stderr: string }) => error);
  expect(failure).toMatchObject({ code: 2 });
  expect(failure.stderr).toContain(message);
});
