import type { HandshakeStages } from '@synscope/api-contract';

/** The clock of an agent less that of the database; microseconds. */
export interface ClockOffset {
  readonly offsetUs: number;
  readonly uncertaintyUs: number;
}

/** Moments by the clock of the host that saw them, microseconds since the Unix epoch. */
export interface StageTimes {
  readonly synSentUs: number | null;
  readonly clientEstablishedUs: number;
  readonly synRecvUs: number | null;
  readonly oneClock: boolean;
  readonly clientClock: ClockOffset | null;
  readonly serverClock: ClockOffset | null;
  /** How long ago, before the clocks were compared. */
  readonly ageUs: number;
}

/** How far a quartz may go wrong, of the time that passes. */
const DRIFT = 100 / 1_000_000;
/** Between two readings of one clock: both are rounded, and the difference of monotonic and wall time was read twice. Microseconds. */
const ROUNDING_US = 20;

/**
 * SYN_SENT → SYN_RECV → ESTABLISHED, the middle one by the server's clock. Null where the clocks would have one end before the other by more
 * than can be off, because one was set in between.
 */
export function stagesOf(times: StageTimes): HandshakeStages {
  const { synSentUs, clientEstablishedUs, synRecvUs } = times;
  const none = (derivedFrom: string): HandshakeStages => ({
    synSentToSynRecv: null,
    synRecvToEstablished: null,
    derivedFrom,
  });
  if (synSentUs === null || synRecvUs === null)
    return none('not known: one end did not see the handshake begin, as with SYN cookies');
  const clock = compare(times);
  if (clock === null)
    return none('not known: the two hosts have clocks of their own, and how far those are off is not known');
  const lengthUs = clientEstablishedUs - synSentUs;
  const thereUs = synRecvUs - clock.offsetUs - synSentUs;
  const slackUs = clock.uncertaintyUs + ROUNDING_US;
  if (thereUs < -slackUs || thereUs > lengthUs + slackUs)
    return none('not known: by their clocks the ends contradict one another; one was set in between');
  const us = Math.min(Math.max(Math.round(thereUs), 0), lengthUs);
  const { uncertaintyUs } = clock;
  return {
    synSentToSynRecv: { us, uncertaintyUs },
    synRecvToEstablished: { us: lengthUs - us, uncertaintyUs },
    derivedFrom: times.oneClock
      ? 'one clock: both ends were seen by one agent'
      : 'the clocks of both hosts, corrected by how far each is off from the control plane’s; the uncertainty is that of the corrections, and 100 µs for each second since',
  };
}

/** The server's clock less the client's. */
function compare({ oneClock, clientClock, serverClock, ageUs }: StageTimes): ClockOffset | null {
  if (oneClock) return { offsetUs: 0, uncertaintyUs: 0 };
  if (clientClock === null || serverClock === null) return null;
  return {
    offsetUs: serverClock.offsetUs - clientClock.offsetUs,
    uncertaintyUs: Math.round(
      serverClock.uncertaintyUs + clientClock.uncertaintyUs + 2 * DRIFT * Math.max(ageUs, 0),
    ),
  };
}
