import { z } from 'zod';
import { PROBE_NAMES, SLOT_COUNT } from './constants.js';
import { ProbeWireError } from './probe-wire-error.js';

// Plain numbers where the probe sends nanoseconds: wall offsets are beyond 2^53, and their last few hundred nanoseconds do not matter here.
const count = z.number().nonnegative();

const helloSchema = z.object({
  wireVersion: z.number(),
  version: z.string(),
  kernel: z.string(),
  architecture: z.string(),
  capabilities: z.array(z.object({ name: z.string().min(1), available: z.boolean(), detail: z.string() })),
});
export type ProbeHello = z.infer<typeof helloSchema>;

const probeLossSchema = z.object({ ringFull: count, pendingTableFull: count, unfinishedAtDetach: count });

const probeCountersSchema = z.object({
  /** Records that the kernel programs made for a session, and those of them that the ring buffer took. */
  offered: count,
  emitted: count,
  loss: probeLossSchema,
});

const statsSchema = z.object({
  monotonicNs: count,
  wallOffsetNs: z.number(),
  probes: z.object({
    tcp_handshake: probeCountersSchema,
    dns: probeCountersSchema.extend({
      loss: probeLossSchema.extend({ tcpStream: count }),
      /** What was on a DNS port and is no query or answer that a record could be of. */
      ignored: z.object({ malformed: count, unsolicited: count }),
    }),
    listener: probeCountersSchema,
    name_lookup: probeCountersSchema,
  }),
  bpf: z.object({ runTimeNs: count.nullable(), runCount: count.nullable(), sampledNs: count.nullable() }),
  residentBytes: count,
  cpuUs: count,
});
/** Cumulative since the probe started. */
export type ProbeStats = z.infer<typeof statsSchema>;

const hookNames = z.array(z.string()).optional();

const configuredSchema = z.object({
  revision: count,
  attached: z.boolean(),
  /** Of each probe that is attached. */
  hooks: z.object({ tcp_handshake: hookNames, dns: hookNames, listener: hookNames, name_lookup: hookNames }),
  /** `slot` null: concerns every slot with `probe`, or all if that is null too. */
  errors: z.array(
    z.object({
      slot: z
        .number()
        .int()
        .min(0)
        .max(SLOT_COUNT - 1)
        .nullable(),
      probe: z.enum(PROBE_NAMES).nullable(),
      message: z.string(),
    }),
  ),
});
export type ProbeConfigured = z.infer<typeof configuredSchema>;

const diagnosticSchema = z.object({
  severity: z.enum(['info', 'warning', 'error']),
  code: z.string(),
  message: z.string(),
});
export type ProbeDiagnostic = z.infer<typeof diagnosticSchema>;

export const parseHello = (payload: Buffer): ProbeHello => parse('HELLO', helloSchema, payload);
export const parseStats = (payload: Buffer): ProbeStats => parse('STATS', statsSchema, payload);
export const parseConfigured = (payload: Buffer): ProbeConfigured =>
  parse('CONFIGURED', configuredSchema, payload);
export const parseDiagnostic = (payload: Buffer): ProbeDiagnostic =>
  parse('DIAGNOSTIC', diagnosticSchema, payload);

function parse<T>(frame: string, schema: z.ZodType<T>, payload: Buffer): T {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString('utf8'));
  } catch (error) {
    throw new ProbeWireError(`the ${frame} frame is not JSON: ${(error as Error).message}`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new ProbeWireError(
    `the ${frame} frame has a bad ${issue?.path.join('.') || 'value'}: ${issue?.message}`,
  );
}
