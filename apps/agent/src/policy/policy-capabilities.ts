import type { ProbeHello } from '@synscope/probe-wire';
import { hostPolicyDetail } from './host-policy.js';
import type { PolicyFile } from './policy-file.js';

type Capability = ProbeHello['capabilities'][number];

/** What the probe can measure, as far as the host lets it, and what sessions are refused or cut here. */
export function underPolicy(policy: PolicyFile, capabilities: readonly Capability[]): readonly Capability[] {
  const { probes } = policy.latest;
  const allowed =
    probes === undefined
      ? capabilities
      : capabilities.map((capability) =>
          probes.some((probe) => capability.name.split('.')[0] === probe)
            ? capability
            : {
                ...capability,
                available: false,
                detail: 'the policy of this host (probes) does not allow it',
              },
        );
  const detail = [hostPolicyDetail(policy.latest), policy.problem]
    .filter((text) => text !== '')
    .join('; but ');
  if (detail === '') return allowed;
  return [...allowed, { name: 'host_policy', available: true, detail }];
}
