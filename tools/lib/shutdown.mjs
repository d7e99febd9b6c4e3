import { Interrupted } from './failure.mjs';

const controller = new AbortController();
/** @type {Set<() => void>} */
const impatienceListeners = new Set();
let firstSignalAt = 0;

/**
 * Ctrl-C in a terminal reaches every process of the foreground at once, and npm passes its own copy on to us as well:
 * copies that come within this many milliseconds are one key press.
 */
const SAME_KEY_PRESS_MS = 1_000;

const PARENT_WATCH_MS = 1_000;

/** Aborted by the first SIGINT, SIGTERM or SIGHUP, or the end of npm, with an Interrupted as its reason. */
export const shutdown = controller.signal;

/**
 * Called when the person presses Ctrl-C again because the end takes too long.
 * @param {() => void} listener
 */
export function onImpatience(listener) {
  impatienceListeners.add(listener);
  return () => impatienceListeners.delete(listener);
}

/** @param {NodeJS.Signals} name */
function onSignal(name) {
  if (!shutdown.aborted) {
    firstSignalAt = Date.now();
    controller.abort(new Interrupted(name));
  } else if (Date.now() - firstSignalAt > SAME_KEY_PRESS_MS) {
    for (const listener of impatienceListeners) listener();
  }
}

for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
  process.on(name, () => onSignal(name));

// An npm that is killed cannot pass anything on; without it nobody would know of us.
if (process.env['npm_lifecycle_event'] !== undefined) {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    onSignal('SIGHUP');
  }, PARENT_WATCH_MS);
  watch.unref();
}
