import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { encodeConfigure, FrameSplitter, PROBE_NAMES } from '@synscope/probe-wire';
import type { DnsTruth } from '../../bpf/test/dns-expectations.js';
import { SCENARIO_PORTS } from '../../bpf/test/dns-scenarios.js';
import type { CommandAnswer, Parties } from '../../bpf/test/dns-traffic.js';
import { type LookupAnswer, lookupProgram } from '../../bpf/test/lookup-process.js';
import { everything, type Traffic } from '../../bpf/test/probe-process.js';

/** What happens in the guest while the probe is attached. */
export interface GuestProgramme {
  /** Scenarios of bpf/test/traffic.c. */
  readonly handshakes: readonly string[];
  /** Commands of bpf/test/dns-traffic.c, by scenario. */
  readonly dns: ReadonlyMap<string, readonly string[]>;
  /** Commands of bpf/test/listener-traffic.c, by scenario. */
  readonly listeners: ReadonlyMap<string, readonly string[]>;
  /** A name that bpf/test/lookup.c looks up. */
  readonly lookup: string;
}

/** A query without an answer is given up after so long: longer than the longest scenario takes to answer, emulated. */
export const GUEST_DNS_DEADLINE_MS = 2_500;

const built = (name: string) => fileURLToPath(new URL(`../../bpf/.build/${name}`, import.meta.url));

/** Emulated, a guest is ten to twenty times slower than the host; one that has not ended by then never will. */
const GUEST_MS = 240_000;

/** What the guest runs as its first process: the probe, each scenario once, and then all that the probe said, as base64. */
const init = ({ handshakes, dns, listeners, lookup }: GuestProgramme) => `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup /sys/fs/cgroup
ip link set lo up
mkfifo /commands /lookup.commands
# Running, so that the probe finds its C library.
lookup < /lookup.commands > /lookup.answers &
exec 4> /lookup.commands
until [ -s /lookup.answers ]; do usleep 50000; done
synscope-probe --accept-deadline-ms 1500 --dns-deadline-ms ${GUEST_DNS_DEADLINE_MS} < /commands > /frames &
exec 3> /commands
cat /all.frame >&3
# The probe's answer to the configuration is the sign that it is attached.
until grep -q '"hooks":' /frames; do usleep 50000; done
echo "lookup ${lookup}" >&4
for scenario in ${handshakes.join(' ')}; do echo "TRAFFIC $scenario $(traffic $scenario 2> /dev/null)"; done
for scenario in ${[...dns.keys()].join(' ')}; do dns-traffic < /dns/$scenario > /truth; echo "DNS $scenario"; cat /truth; echo; done
for scenario in ${[...listeners.keys()].join(' ')}; do listener-traffic < /listeners/$scenario > /truth; echo "LISTENER $scenario"; cat /truth; echo; done
echo "LOOKUP $(tail -n 1 /lookup.answers)"
# SYN-ACK timeouts, the deadlines for accept() and for answers, and the sweeps that end them.
sleep 4
cat /none.frame >&3
until [ $(grep -c '"hooks":' /frames) -ge 2 ] || [ $(grep -o '"hooks":' /frames | wc -l) -ge 2 ]; do usleep 50000; done
echo FRAMES; base64 /frames; echo END
# Sets what is set already, but only once the console has sent everything (TCSADRAIN): a reboot does not wait for it.
stty "$(stty -g)"
reboot -f
`;

/** The shared libraries of a program and its loader (ldd(1)), as absolute paths. */
async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ldd', [program]);
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path ?? '');
}

async function initramfs(programme: GuestProgramme, folder: string): Promise<string> {
  const root = join(folder, 'root');
  for (const path of ['bin', 'proc', 'sys', 'dev', 'etc', 'tmp', 'dns', 'listeners'])
    await mkdir(join(root, path), { recursive: true });
  await copyFile('/bin/busybox', join(root, 'bin/busybox'));
  for (const name of ['synscope-probe', 'traffic', 'dns-traffic', 'listener-traffic', 'lookup'])
    await copyFile(built(name), join(root, 'bin', name));
  for (const library of await librariesOf(lookupProgram)) {
    await mkdir(join(root, dirname(library)), { recursive: true });
    await copyFile(library, join(root, library));
  }
  await writeFile(join(root, 'init'), init(programme));
  await chmod(join(root, 'init'), 0o755);
  for (const [scenario, commands] of programme.dns)
    await writeFile(join(root, 'dns', scenario), commands.map((command) => `${command}\n`).join(''));
  for (const [scenario, commands] of programme.listeners)
    await writeFile(join(root, 'listeners', scenario), commands.map((command) => `${command}\n`).join(''));
  const all = { ...everything, probes: PROBE_NAMES, dnsPorts: SCENARIO_PORTS };
  await writeFile(join(root, 'all.frame'), encodeConfigure(1, [all]));
  await writeFile(join(root, 'none.frame'), encodeConfigure(2, []));
  const archive = join(folder, 'initramfs.gz');
  await promisify(execFile)('sh', [
    '-c',
    'cd "$1" && find . | cpio --quiet -o -H newc | gzip -1 > "$2"',
    'sh',
    root,
    archive,
  ]);
  return archive;
}

export interface GuestReport {
  /** By scenario. */
  readonly traffic: ReadonlyMap<string, Traffic>;
  /** By scenario. */
  readonly dns: ReadonlyMap<string, DnsTruth>;
  /** By scenario: what bpf/test/listener-traffic.c said first, then to each command. */
  readonly listeners: ReadonlyMap<string, readonly string[]>;
  readonly lookup: LookupAnswer;
  /** Frames of the probe in their order: type and payload. */
  readonly frames: readonly (readonly [type: number, payload: Buffer])[];
}

/** Boots the kernel under emulation, runs the programme with the probe attached, and reports. */
export async function runInGuest(image: string, programme: GuestProgramme): Promise<GuestReport> {
  const folder = await mkdtemp(join(tmpdir(), 'synscope-guest-'));
  try {
    const guest = spawn(
      'qemu-system-x86_64',
      [
        // One thread for both CPUs: with one each, a CPU may run what the other has patched away since (seen: 6.12 ends at boot with “Oops: int3”).
        ...['-accel', 'tcg,thread=single', '-cpu', 'max', '-smp', '2', '-m', '512', '-M', 'q35'],
        ...['-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'stdio', '-no-reboot'],
        ...['-kernel', image, '-initrd', await initramfs(programme, folder)],
        ...['-append', 'console=ttyS0 reboot=t panic=-1 quiet'],
      ],
      { stdio: ['ignore', 'pipe', 'inherit'], timeout: GUEST_MS, killSignal: 'SIGKILL' },
    );
    let output = '';
    guest.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('latin1');
    });
    await once(guest, 'close');
    return report(output.replaceAll('\r', ''));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What dns-traffic prints. */
function readTruth(lines: string): DnsTruth {
  const [parties, ...steps] = lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  return { parties: parties as Parties, steps: steps as CommandAnswer[] };
}

function report(output: string): GuestReport {
  const encoded = /^FRAMES\n([\s\S]*?)^END$/m.exec(output)?.[1];
  if (encoded === undefined) throw new Error(`the guest did not end as it should:\n${output.slice(-4000)}`);
  const frames: [number, Buffer][] = [];
  const splitter = new FrameSplitter((type, payload) => frames.push([type, Buffer.from(payload)]));
  splitter.push(Buffer.from(encoded, 'base64'));
  const traffic = new Map<string, Traffic>();
  for (const [, scenario, json] of output.matchAll(/^TRAFFIC (\S+) (\{.*\})$/gm))
    traffic.set(scenario ?? '', JSON.parse(json ?? ''));
  const dns = new Map<string, DnsTruth>();
  for (const [, scenario, json] of output.matchAll(/^DNS (\S+)\n((?:\{.*\}\n)+)$/gm))
    dns.set(scenario ?? '', readTruth(json ?? ''));
  const listeners = new Map<string, readonly string[]>();
  for (const [, scenario, lines] of output.matchAll(/^LISTENER (\S+)\n((?:.+\n)+)$/gm))
    listeners.set(scenario ?? '', (lines ?? '').trim().split('\n'));
  const lookup = JSON.parse(/^LOOKUP (\{.*\})$/m.exec(output)?.[1] ?? 'null') as LookupAnswer;
  return { traffic, dns, listeners, lookup, frames };
}
