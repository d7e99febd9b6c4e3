import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { encodeConfigure, FrameSplitter } from '@synscope/probe-wire';
import { everything, type Traffic } from '../../bpf/test/probe-process.js';

const built = (name: string) => fileURLToPath(new URL(`../../bpf/.build/${name}`, import.meta.url));

/** Emulated, a guest is ten to twenty times slower than the host; one that has not ended by then never will. */
const GUEST_MS = 240_000;

/** What the guest runs as its first process: the probe, each scenario once, and then all that the probe said, as base64. */
const init = (scenarios: readonly string[]) => `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup /sys/fs/cgroup
ip link set lo up
mkfifo /commands
synscope-probe --accept-deadline-ms 1500 < /commands > /frames &
exec 3> /commands
cat /all.frame >&3
# The probe's answer to the configuration is the sign that it is attached.
until grep -q '"hooks":' /frames; do usleep 50000; done
for scenario in ${scenarios.join(' ')}; do echo "TRAFFIC $scenario $(traffic $scenario 2> /dev/null)"; done
# SYN-ACK timeouts, the deadline for accept(), and the sweep that ends them.
sleep 4
cat /none.frame >&3
until [ $(grep -c '"hooks":' /frames) -ge 2 ] || [ $(grep -o '"hooks":' /frames | wc -l) -ge 2 ]; do usleep 50000; done
echo FRAMES; base64 /frames; echo END
reboot -f
`;

async function initramfs(scenarios: readonly string[], folder: string): Promise<string> {
  const root = join(folder, 'root');
  for (const path of ['bin', 'proc', 'sys', 'dev', 'tmp']) await mkdir(join(root, path), { recursive: true });
  await copyFile('/bin/busybox', join(root, 'bin/busybox'));
  for (const name of ['synscope-probe', 'traffic']) await copyFile(built(name), join(root, 'bin', name));
  await writeFile(join(root, 'init'), init(scenarios));
  await chmod(join(root, 'init'), 0o755);
  await writeFile(
    join(root, 'all.frame'),
    encodeConfigure(1, [{ ...everything, probes: ['tcp_handshake', 'dns'] }]),
  );
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
  /** Frames of the probe in their order: type and payload. */
  readonly frames: readonly (readonly [type: number, payload: Buffer])[];
}

/** Boots the kernel under emulation, runs the scenarios of bpf/test/traffic.c with the probe attached, and reports. */
export async function runInGuest(image: string, scenarios: readonly string[]): Promise<GuestReport> {
  const folder = await mkdtemp(join(tmpdir(), 'synscope-guest-'));
  try {
    const guest = spawn(
      'qemu-system-x86_64',
      [
        ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', '512', '-M', 'q35'],
        ...['-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'stdio', '-no-reboot'],
        ...['-kernel', image, '-initrd', await initramfs(scenarios, folder)],
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

function report(output: string): GuestReport {
  const encoded = /^FRAMES\n([\s\S]*?)^END$/m.exec(output)?.[1];
  if (encoded === undefined) throw new Error(`the guest did not end as it should:\n${output.slice(-4000)}`);
  const frames: [number, Buffer][] = [];
  const splitter = new FrameSplitter((type, payload) => frames.push([type, Buffer.from(payload)]));
  splitter.push(Buffer.from(encoded, 'base64'));
  const traffic = new Map<string, Traffic>();
  for (const [, scenario, json] of output.matchAll(/^TRAFFIC (\S+) (\{.*\})$/gm))
    traffic.set(scenario ?? '', JSON.parse(json ?? ''));
  return { traffic, frames };
}
