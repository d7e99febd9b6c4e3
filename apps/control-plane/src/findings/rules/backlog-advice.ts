import type { FindingAdvice } from '@synscope/api-contract';
import type { ListenerView } from '../evidence/listener-memory.js';

const SMALLEST_BACKLOG = 128;
const LARGEST_BACKLOG = 65_535;

/** Room for four times the most that came within a second, as a power of two. */
export function suggestedBacklog({ samples }: ListenerView): number {
  const most = samples.reduce(
    (peak, sample) =>
      Math.max(
        peak,
        sample.acceptQueuePeak + sample.refusedAcceptQueueFull + sample.acksDroppedAcceptQueueFull,
      ),
    0,
  );
  const limit = samples.at(-1)?.acceptQueueLimit ?? 0;
  const wanted = Math.max(SMALLEST_BACKLOG, 4 * most, 2 * limit);
  return Math.min(LARGEST_BACKLOG, 2 ** Math.ceil(Math.log2(wanted)));
}

/**
 * What makes room in an accept queue. Its limit is the smaller of listen()'s backlog and somaxconn at the time of listen(): where it is below
 * somaxconn, the application asked for no more.
 */
export function acceptQueueAdvice(listener: ListenerView): FindingAdvice[] {
  const latest = listener.samples.at(-1);
  const limit = latest?.acceptQueueLimit ?? null;
  const somaxconn = latest?.somaxconn ?? null;
  const suggested = suggestedBacklog(listener);
  const process = listener.processName ?? 'the application';
  const capped = limit !== null && somaxconn !== null && limit >= somaxconn;
  const backlog: FindingAdvice = {
    what: `listen() backlog of ${process}`,
    now: limit === null ? null : capped ? `${limit} or more` : `${limit}`,
    suggested: `listen(fd, ${suggested}), by the application’s own setting (nginx: listen … backlog=${suggested}), and a restart of it`,
  };
  const sysctl: FindingAdvice = {
    what: 'net.core.somaxconn',
    now: somaxconn === null ? null : `${somaxconn}`,
    suggested:
      somaxconn !== null && somaxconn >= suggested
        ? `leave it: ${somaxconn} is enough`
        : `sysctl -w net.core.somaxconn=${suggested} in the network namespace of the listener; it holds for sockets that listen afterwards`,
  };
  const accept: FindingAdvice = {
    what: `how fast ${process} calls accept()`,
    now: `up to ${listener.acceptQueuePeak} connections waited`,
    suggested:
      'accept in a thread or worker of its own that does nothing else, or run more of them: a longer queue only hides a lasting lack',
  };
  return capped ? [sysctl, backlog, accept] : [backlog, sysctl, accept];
}
