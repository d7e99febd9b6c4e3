import { PROBE_NAMES, type ProbeConfigured, ProbeNumber } from '@synscope/probe-wire';
import type { Session } from './session.js';

/** What the probe made of one session. */
export interface Attachment {
  /** Of the session's probes; undefined if it records nothing. */
  readonly hooks: readonly string[] | undefined;
  /** What it could not do for this session, in its words; empty if nothing. */
  readonly errors: string;
}

/**
 * A session runs if one of its probes is attached and its slot was taken. Errors of its other probes, which then are missing from its
 * records, are its errors too; an error that concerns all probes is only one of the session's if nothing of it runs.
 */
export function attachmentOf(session: Session, slot: number, answer: ProbeConfigured): Attachment {
  const probes = PROBE_NAMES.filter((name) => session.spec.probes.includes(ProbeNumber[name]));
  const attached = answer.attached ? probes.filter((name) => answer.hooks[name] !== undefined) : [];
  const ofSlot = answer.errors.filter((error) => error.slot === slot);
  const ofProbes = answer.errors.filter(
    ({ slot: errorSlot, probe }) => errorSlot === null && probe !== null && probes.includes(probe),
  );
  if (ofSlot.length > 0) return { hooks: undefined, errors: joined(ofSlot) };
  if (attached.length === 0) {
    const ofAll = answer.errors.filter((error) => error.slot === null && error.probe === null);
    return { hooks: undefined, errors: joined([...ofProbes, ...ofAll]) };
  }
  const hooks = new Set(attached.flatMap((name) => answer.hooks[name] ?? []));
  return { hooks: [...hooks], errors: joined(ofProbes) };
}

function joined(errors: ProbeConfigured['errors']): string {
  return errors.map(({ probe, message }) => (probe === null ? message : `${probe}: ${message}`)).join('; ');
}
