import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Probe, SessionFilterSchema } from '@synscope/protocol';
import { describe, expect, it } from 'vitest';
import { desiredSession } from '../testing/desired-session.js';
import { hostPolicyDetail, hostPolicyRefusal, hostPolicySchema } from './host-policy.js';

type Filter = MessageInitShape<typeof SessionFilterSchema>;

const session = (probes: Probe[], filter: Filter = {}) =>
  desiredSession(1, { probes, filter: create(SessionFilterSchema, filter) });
const { TCP_HANDSHAKE, DNS, NAME_LOOKUP } = Probe;
const ports = { ports: [443, '8000-8999'] };

describe('the policy of a host', () => {
  it('limits nothing that it does not name', () => {
    expect(hostPolicyRefusal(hostPolicySchema.parse({}), session([TCP_HANDSHAKE, DNS]), 63)).toBeNull();
    expect(hostPolicyDetail({})).toBe('');
  });

  it.each([
    [{ probes: ['dns'] }, session([TCP_HANDSHAKE, DNS]), 'does not allow tcp_handshake, only dns'],
    [{ probes: [] }, session([DNS]), 'does not allow dns, only none'],
    [
      { minLatencyUs: 1_000 },
      session([DNS], { minLatencyUs: 999n }),
      'asks for 1000, and filter.min_latency_us is 999',
    ],
    [ports, session([TCP_HANDSHAKE]), 'allows 443, 8000-8999'],
    [ports, session([TCP_HANDSHAKE], { localPorts: [443, 22] }), 'filter.local_ports or filter.remote_ports'],
    [ports, session([DNS]), 'filter.dns_ports has 53'],
    [{ ports: [53] }, session([DNS], { dnsPorts: [53, 5353] }), 'filter.dns_ports has 5353'],
    [{ processNames: 'hash' }, session([DNS], { processNames: ['curl'] }), 'leave filter.process_names out'],
    [{ processNames: 'none' }, session([DNS], { processNames: ['curl'] }), 'lets no process name out'],
  ])('%j refuses what is beyond it: %#', (policy, asked, reason) => {
    expect(hostPolicyRefusal(hostPolicySchema.parse(policy), asked, 0)).toContain(reason);
  });

  it.each([
    [{ probes: ['dns', 'tcp_handshake'] }, session([TCP_HANDSHAKE])],
    [{ minLatencyUs: 1_000 }, session([DNS], { minLatencyUs: 1_000n })],
    [ports, session([TCP_HANDSHAKE], { localPorts: [443, 8_500] })],
    [ports, session([TCP_HANDSHAKE], { remotePorts: [8_000], localPorts: [50_000] })],
    [{ ports: [53] }, session([DNS])],
    [ports, session([NAME_LOOKUP])],
    [{ processNames: 'full' }, session([DNS], { processNames: ['curl'] })],
    [{ maxDurationSeconds: 1 }, session([DNS])],
  ])('%j lets through what is within it: %#', (policy, asked) => {
    expect(hostPolicyRefusal(hostPolicySchema.parse(policy), asked, 0)).toBeNull();
  });

  it.each([
    [{ probes: ['tcp'] }, 'probes.0'],
    [{ maxSampleRate: 0 }, 'maxSampleRate'],
    [{ maxDurationSeconds: '1h' }, 'maxDurationSeconds'],
    [{ maxSessions: 65 }, 'maxSessions'],
    [{ ports: [0] }, 'ports.0'],
    [{ ports: ['9-8'] }, 'ports.0'],
    [{ ports: ['http'] }, 'ports.0'],
    [{ processNames: 'some' }, 'processNames'],
    [{ maxRate: 1 }, ''],
  ])('is wrong as %j, at %s', (policy, field) => {
    const { error } = hostPolicySchema.safeParse(policy);
    expect(error?.issues.map(({ path }) => path.join('.'))).toEqual([field]);
  });

  it('is told in one line', () => {
    const policy = hostPolicySchema.parse({
      probes: ['dns'],
      maxSampleRate: 0.5,
      maxDurationSeconds: 600,
      maxSessions: 2,
      ports: [53, '8000-8999'],
      minLatencyUs: 1_000,
      processNames: 'none',
    });
    expect(hostPolicyDetail(policy)).toBe(
      'probes: dns; sample rate at most 0.5; sessions are ended after 600 s; at most 2 sessions at once; ports: 53, 8000-8999; latencies from 1000 µs; process names do not leave this host',
    );
  });
});
