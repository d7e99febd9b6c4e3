/** How far two clocks may drift apart, of each second: what the crystals of hosts that nobody disciplines keep to (RFC 5905 assumes 15 ppm of disciplined ones). */
const DRIFT = 50e-6;
/** As RFC 5905 §10 keeps. */
const SAMPLES = 8;

/** How far a remote clock is ahead of a local one that rises steadily; microseconds. */
export interface ClockDifference {
  readonly differenceUs: number;
  /** The true difference is within differenceUs ± uncertaintyUs. */
  readonly uncertaintyUs: number;
}

/** The four times of a round trip: the outer two by the local clock, the inner two by the remote one; microseconds. */
export interface RoundTrip {
  readonly sentUs: number;
  readonly receivedUs: number;
  readonly answeredUs: number;
  readonly heardUs: number;
  /** How well the remote side knows the clock that it tells of. */
  readonly uncertaintyUs: number;
}

interface Sample extends ClockDifference {
  readonly atUs: number;
}

/**
 * What recent round trips tell of another clock, as NTP does it (RFC 5905 §8 and §10). Whatever the way there and the way back had of a round trip, the
 * difference of the clocks lies within half of it, so the quickest one counts; age adds the drift since.
 */
export class ClockFilter {
  private samples: Sample[] = [];

  add({ sentUs, receivedUs, answeredUs, heardUs, uncertaintyUs }: RoundTrip): void {
    const onTheWayUs = heardUs - sentUs - (answeredUs - receivedUs);
    // No round trip: one of the clocks was set meanwhile.
    if (!Number.isFinite(onTheWayUs) || onTheWayUs < 0) return;
    const sample: Sample = {
      atUs: heardUs,
      differenceUs: (receivedUs - sentUs + (answeredUs - heardUs)) / 2,
      uncertaintyUs: onTheWayUs / 2 + uncertaintyUs,
    };
    // What the newest one rules out is from before the remote clock was set.
    const compatible = this.samples.filter((older) => {
      const apartUs = Math.abs(older.differenceUs - sample.differenceUs);
      return apartUs <= aged(older, heardUs) + sample.uncertaintyUs;
    });
    this.samples = [...compatible.slice(1 - SAMPLES), sample];
  }

  /** Null before the first round trip. */
  at(localUs: number): ClockDifference | null {
    let best: ClockDifference | null = null;
    for (const sample of this.samples) {
      const uncertaintyUs = aged(sample, localUs);
      if (best === null || uncertaintyUs <= best.uncertaintyUs) {
        best = { differenceUs: sample.differenceUs, uncertaintyUs };
      }
    }
    return best;
  }
}

/** The uncertainty of an older sample at this time. */
function aged({ atUs, uncertaintyUs }: Sample, localUs: number): number {
  return uncertaintyUs + Math.max(0, localUs - atUs) * DRIFT;
}
