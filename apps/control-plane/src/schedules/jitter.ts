import { createHash } from 'node:crypto';

/**
 * When a due time fires: up to `jitterSeconds` later. The delay is made from the schedule and the due time, so every replica reckons the
 * same, and a restart does not throw the dice again.
 */
export function fireTime(scheduleId: string, due: Date, jitterSeconds: number): Date {
  if (jitterSeconds === 0) return due;
  const digest = createHash('sha256').update(`${scheduleId} ${due.toISOString()}`).digest();
  const fraction = digest.readUIntBE(0, 6) / 2 ** 48;
  return new Date(due.getTime() + Math.floor(fraction * jitterSeconds * 1_000));
}
