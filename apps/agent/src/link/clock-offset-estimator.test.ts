import { create } from '@bufbuild/protobuf';
import { HeartbeatAnswerSchema } from '@synscope/protocol';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../testing/manual-clock.js';
import { ClockOffsetEstimator } from './clock-offset-estimator.js';

/** What the control plane, whose clock is `behindUs` behind this host's, makes of a heartbeat that takes 4 ms there and 2 ms back. */
function exchange(estimator: ClockOffsetEstimator, clock: ManualClock, behindUs: number): void {
  const sentAtUs = estimator.sent();
  clock.advance(4);
  const atUs = BigInt(clock.wallUs() - behindUs);
  clock.advance(2);
  estimator.answered(
    create(HeartbeatAnswerSchema, { sentAtUs, receivedAtUs: atUs, answeredAtUs: atUs, uncertaintyUs: 100n }),
  );
}

describe('the estimate of the clock offset', () => {
  it('is that of the middle of the round trip, within half of it and what the control plane is unsure of', () => {
    const clock = new ManualClock();
    const estimator = new ClockOffsetEstimator(clock);
    expect(estimator.estimate()).toBeUndefined();
    exchange(estimator, clock, 250_000);
    // 1 ms off, because the way there took 2 ms longer than the way back.
    expect(estimator.estimate()).toMatchObject({ offsetUs: 249_000n, uncertaintyUs: 3_100n });
  });

  it('follows a wall clock that is set, at once', () => {
    const clock = new ManualClock();
    const estimator = new ClockOffsetEstimator(clock);
    exchange(estimator, clock, 0);
    clock.setWall(-60_000_000);
    expect(estimator.estimate()?.offsetUs).toBe(-60_001_000n);
  });

  it('makes nothing of answers that nobody waits for', () => {
    const clock = new ManualClock();
    const estimator = new ClockOffsetEstimator(clock);
    estimator.answered(create(HeartbeatAnswerSchema, { sentAtUs: 5n, receivedAtUs: 5n, answeredAtUs: 5n }));
    expect(estimator.estimate()).toBeUndefined();
    const first = estimator.sent();
    for (let others = 0; others < 8; others++) {
      clock.advance(1);
      estimator.sent();
    }
    estimator.answered(
      create(HeartbeatAnswerSchema, { sentAtUs: first, receivedAtUs: 1n, answeredAtUs: 1n }),
    );
    expect(estimator.estimate()).toBeUndefined();
  });
});
