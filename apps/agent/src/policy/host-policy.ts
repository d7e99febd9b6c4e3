import { PROBE_NAMES, type ProbeName, ProbeNumber } from '@synscope/probe-wire';
import type { DesiredSession, SessionFilter } from '@synscope/protocol';
import { z } from 'zod';

const PORT_MAX = 65_535;
/** Where a session's filter names no DNS port. */
const DNS_PORT = 53;

const portsSchema = z
  .union([z.int().min(1).max(PORT_MAX), z.string()], 'expected a port or a range such as "8000-8999"')
  .transform((value, context): readonly [number, number] => {
    if (typeof value === 'number') return [value, value];
    const [, from, until] = /^(\d{1,5})-(\d{1,5})$/.exec(value)?.map(Number) ?? [];
    if (from === undefined || until === undefined || from < 1 || until > PORT_MAX || from > until) {
      context.addIssue({
        code: 'custom',
        message: `${JSON.stringify(value)} is no range of ports such as "8000-8999"`,
      });
      return z.NEVER;
    }
    return [from, until];
  });

/** What a policy file may say; what it leaves out is not limited. */
export const hostPolicySchema = z.strictObject({
  probes: z.array(z.enum(PROBE_NAMES as readonly [ProbeName, ...ProbeName[]])).optional(),
  maxSampleRate: z.number().gt(0).max(1).optional(),
  maxDurationSeconds: z.int().min(1).optional(),
  maxSessions: z.int().min(0).max(64).optional(),
  ports: z.array(portsSchema).optional(),
  minLatencyUs: z.int().min(0).optional(),
  processNames: z.enum(['full', 'hash', 'none']).optional(),
});

/** What the control plane may have of this host, whatever it asks for. */
export type HostPolicy = z.output<typeof hostPolicySchema>;

/** What a session asks for, as far as a policy looks at it. */
type Asked = Pick<DesiredSession, 'probes' | 'sampleRate' | 'filter'>;

/** Why this session may not run beside `otherSessions` others, with the field and the limit; null if it may. A length is not refused but cut. */
export function hostPolicyRefusal(policy: HostPolicy, asked: Asked, otherSessions: number): string | null {
  const reason =
    probesRefusal(policy, asked) ??
    sampleRateRefusal(policy, asked) ??
    latencyRefusal(policy, asked.filter) ??
    portsRefusal(policy, asked) ??
    processNamesRefusal(policy, asked.filter);
  if (reason !== null) return reason;
  const { maxSessions } = policy;
  if (maxSessions === undefined || otherSessions < maxSessions) return null;
  return byPolicy('maxSessions', `allows ${maxSessions} sessions at once`, 'end another one first');
}

/** For people who look at what this host can measure; empty if nothing is limited. */
export function hostPolicyDetail(policy: HostPolicy): string {
  const { probes, maxSampleRate, maxDurationSeconds, maxSessions, ports, minLatencyUs, processNames } =
    policy;
  const limits = [
    probes && `probes: ${probes.join(', ') || 'none'}`,
    maxSampleRate !== undefined && `sample rate at most ${maxSampleRate}`,
    maxDurationSeconds !== undefined && `sessions are ended after ${maxDurationSeconds} s`,
    maxSessions !== undefined && `at most ${maxSessions} sessions at once`,
    ports && `ports: ${portsText(ports)}`,
    minLatencyUs !== undefined && `latencies from ${minLatencyUs} µs`,
    processNames === 'hash' && 'process names leave this host hashed',
    processNames === 'none' && 'process names do not leave this host',
  ];
  return limits.filter((limit) => typeof limit === 'string').join('; ');
}

function probesRefusal({ probes: allowed }: HostPolicy, { probes }: Asked): string | null {
  const refused = PROBE_NAMES.find(
    (name) => probes.includes(ProbeNumber[name]) && !(allowed ?? PROBE_NAMES).includes(name),
  );
  if (refused === undefined) return null;
  return byPolicy(
    'probes',
    `does not allow ${refused}, only ${allowed?.join(', ') || 'none'}`,
    'leave it out',
  );
}

function sampleRateRefusal({ maxSampleRate }: HostPolicy, { sampleRate }: Asked): string | null {
  if (maxSampleRate === undefined || sampleRate <= maxSampleRate) return null;
  return byPolicy('maxSampleRate', `allows ${maxSampleRate}, and sample_rate is ${sampleRate}`, 'lower it');
}

function latencyRefusal({ minLatencyUs }: HostPolicy, filter: SessionFilter | undefined): string | null {
  const asked = filter?.minLatencyUs ?? 0n;
  if (minLatencyUs === undefined || asked >= BigInt(minLatencyUs)) return null;
  return byPolicy(
    'minLatencyUs',
    `asks for ${minLatencyUs}, and filter.min_latency_us is ${asked}`,
    'raise it',
  );
}

function portsRefusal({ ports }: HostPolicy, { probes, filter }: Asked): string | null {
  if (ports === undefined) return null;
  const isAllowed = (port: number) => ports.some(([from, until]) => port >= from && port <= until);
  const allowed = `allows ${portsText(ports) || 'none'}`;
  if (probes.includes(ProbeNumber.dns)) {
    const asked = filter?.dnsPorts.length ? filter.dnsPorts : [DNS_PORT];
    const refused = asked.find((port) => !isAllowed(port));
    if (refused !== undefined) {
      return byPolicy('ports', `${allowed}, and filter.dns_ports has ${refused}`, 'leave it out');
    }
  }
  // Of getaddrinfo() no port is known.
  if (!probes.some((probe) => probe !== ProbeNumber.dns && probe !== ProbeNumber.name_lookup)) return null;
  const lists = [filter?.localPorts ?? [], filter?.remotePorts ?? []];
  if (lists.some((list) => list.length > 0 && list.every(isAllowed))) return null;
  return byPolicy('ports', allowed, 'give filter.local_ports or filter.remote_ports with none but these');
}

/** The kernel filters by the true names, so that a filter tells of every record what the policy would keep back. */
function processNamesRefusal({ processNames }: HostPolicy, filter: SessionFilter | undefined): string | null {
  if (processNames === undefined || processNames === 'full' || !filter?.processNames.length) return null;
  const kept = processNames === 'hash' ? 'lets process names out only as hashes' : 'lets no process name out';
  return byPolicy('processNames', kept, 'leave filter.process_names out');
}

function byPolicy(field: string, says: string, advice: string): string {
  return `the policy of this host (${field}) ${says}: ${advice}`;
}

function portsText(ports: NonNullable<HostPolicy['ports']>): string {
  return ports.map(([from, until]) => (from === until ? `${from}` : `${from}-${until}`)).join(', ');
}
