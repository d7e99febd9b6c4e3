import { existsSync, readFileSync } from 'node:fs';

/** Bits of CapEff in /proc/self/status, from linux/capability.h. */
const CAPABILITIES = { CAP_NET_ADMIN: 12n, CAP_SYS_ADMIN: 21n, CAP_PERFMON: 38n, CAP_BPF: 39n };

/**
 * What keeps this process from tracing on this host, as the end of a sentence; undefined when nothing does. A quick
 * look that spares building a probe in vain: the probe itself says in detail what a kernel lacks.
 * @returns {string | undefined}
 */
export function whatKeepsFromTracing() {
  const effective = BigInt(
    `0x${/^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`,
  );
  /** @param {keyof typeof CAPABILITIES} name */
  const has = (name) => ((effective >> CAPABILITIES[name]) & 1n) === 1n;
  if (!has('CAP_SYS_ADMIN') || !has('CAP_NET_ADMIN')) {
    const missing = /** @type {(keyof typeof CAPABILITIES)[]} */ ([
      'CAP_BPF',
      'CAP_PERFMON',
      'CAP_NET_ADMIN',
    ]).filter((name) => !has(name));
    if (missing.length > 0) {
      return `tracing needs root or ${missing.join(', ')}, which user id ${process.getuid?.()} does not have here`;
    }
  }
  if (!existsSync('/sys/kernel/btf/vmlinux'))
    return 'this kernel has no type information (BTF) at /sys/kernel/btf/vmlinux';
  if (!/ - cgroup2 /.test(readFileSync('/proc/self/mountinfo', 'utf8')))
    return 'this host has no cgroup v2 mounted';
  return undefined;
}
