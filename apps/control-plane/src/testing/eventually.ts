import { setTimeout as pause } from 'node:timers/promises';

/** Between two questions, ms: without it the asking would take the processor from what it waits for. */
const PAUSE_MS = 20;

/** For what has no event to await: asks again until it is so, within the time of a test. */
export async function eventually<T>(read: () => Promise<T>, wanted: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await read();
    if (wanted(value)) return value;
    await pause(PAUSE_MS);
  }
}
