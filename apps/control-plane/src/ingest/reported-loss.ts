import { LossCause, Probe } from '@synscope/protocol';
import { checkOneOf, checkRange, type TimeBounds } from './range-check.js';
import { malformed, type WireReader, WireType } from './wire-reader.js';

/** LOSS_CAUSE_SEQUENCE_GAP and LOSS_CAUSE_OUT_OF_TIME are assigned here, never sent; 3 was never given out. */
const CAUSES_OF_AGENTS: ReadonlySet<number> = new Set([
  LossCause.RING_FULL,
  LossCause.PENDING_TABLE_FULL,
  LossCause.UNFINISHED_AT_DETACH,
  LossCause.AGENT_BUFFER_FULL,
  LossCause.PROBE_RESTART,
  LossCause.MAX_RECORDS,
  LossCause.TCP_STREAM,
]);

const PROBES_WITH_LOSS: ReadonlySet<number> = new Set([
  Probe.TCP_HANDSHAKE,
  Probe.DNS,
  Probe.NAME_LOOKUP,
  Probe.LISTENER,
]);

const LAST_FIELD = 5;

/** Records that an agent knows to be lost. */
export interface ReportedLoss {
  readonly cause: number;
  /** Whose records. */
  readonly probe: Probe;
  readonly records: number;
  readonly fromUs: number;
  readonly untilUs: number;
}

/** Reads one synscope.agent.v1.Loss, which errors call by the reader's message. */
export function readReportedLoss(reader: WireReader, bounds: TimeBounds): ReportedLoss {
  const path = reader.message;
  const values = [0, 0, 0, 0, 0, 0];
  while (!reader.done) {
    const tag = reader.tag();
    const field = tag >>> 3;
    if (field > LAST_FIELD) reader.skip(tag & 7);
    else if ((tag & 7) === WireType.Varint) values[field] = reader.varint();
    else throw malformed(path, `field ${field} has wire type ${tag & 7}`);
  }
  const [, cause = 0, records = 0, fromUs = 0, untilUs = 0, sentProbe = 0] = values;
  // Agents from before there were others do not send it.
  const probe = sentProbe === Probe.UNSPECIFIED ? Probe.TCP_HANDSHAKE : sentProbe;
  checkOneOf(`${path}.cause`, cause, CAUSES_OF_AGENTS);
  checkOneOf(`${path}.probe`, probe, PROBES_WITH_LOSS);
  checkRange(`${path}.records`, records, 1, Number.MAX_SAFE_INTEGER);
  checkRange(`${path}.from_us`, fromUs, 1, Number.MAX_SAFE_INTEGER);
  checkRange(`${path}.until_us`, untilUs, fromUs, Number.MAX_SAFE_INTEGER);
  // Loss at a time that is not kept would be forgotten, though its host's clock is what is wrong.
  const kept = (us: number) => Math.min(Math.max(us, bounds.earliestUs), bounds.latestUs);
  return { cause, probe, records, fromUs: kept(fromUs), untilUs: kept(untilUs) };
}
