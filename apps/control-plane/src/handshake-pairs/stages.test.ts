import { describe, expect, it } from 'vitest';
import { type StageTimes, stagesOf } from './stages.js';

const SECOND_US = 1_000_000;
const at = 1_800_000_000 * SECOND_US;
const times: StageTimes = {
  synSentUs: at,
  synRecvUs: at + 25_000,
  clientEstablishedUs: at + 50_000,
  oneClock: true,
  clientClock: null,
  serverClock: null,
  ageUs: 10 * SECOND_US,
};
const stages = (changes: Partial<StageTimes>) => {
  const { synSentToSynRecv, synRecvToEstablished } = stagesOf({ ...times, ...changes });
  return [synSentToSynRecv, synRecvToEstablished];
};

describe('the two stages of a handshake', () => {
  it('are exact on one host, and together the latency of the client', () => {
    expect(stages({})).toEqual([
      { us: 25_000, uncertaintyUs: 0 },
      { us: 25_000, uncertaintyUs: 0 },
    ]);
  });

  it('are not known between two hosts whose clocks were not compared', () => {
    expect(stages({ oneClock: false })).toEqual([null, null]);
    expect(stages({ oneClock: false, clientClock: { offsetUs: 0, uncertaintyUs: 0 } })).toEqual([null, null]);
  });

  it('take the clocks of two hosts into account, and say how far they can be off by now', () => {
    const clientClock = { offsetUs: -3_600 * SECOND_US, uncertaintyUs: 300 };
    const serverClock = { offsetUs: 5_000, uncertaintyUs: 200 };
    const apart = serverClock.offsetUs - clientClock.offsetUs;
    const synRecvUs = at + 20_000 + apart;
    expect(stages({ oneClock: false, clientClock, serverClock, synRecvUs })).toEqual([
      { us: 20_000, uncertaintyUs: 2_500 },
      { us: 30_000, uncertaintyUs: 2_500 },
    ]);
  });

  it('are within the handshake, if clocks are wrong by no more than they can be', () => {
    const clocks = {
      oneClock: false,
      clientClock: { offsetUs: 0, uncertaintyUs: 0 },
      serverClock: { offsetUs: 0, uncertaintyUs: 0 },
    };
    expect(stages({ ...clocks, synRecvUs: at - 1_000 })).toEqual([
      { us: 0, uncertaintyUs: 2_000 },
      { us: 50_000, uncertaintyUs: 2_000 },
    ]);
    expect(stages({ ...clocks, synRecvUs: at - 3_000 })).toEqual([null, null]);
    expect(stages({ ...clocks, synRecvUs: at + 53_000 })).toEqual([null, null]);
  });

  it('are not known on one host whose clock was set in between, nor without the beginning of both', () => {
    expect(stages({ synRecvUs: at - 1_000 })).toEqual([null, null]);
    expect(stages({ synRecvUs: null })).toEqual([null, null]);
    expect(stages({ synSentUs: null })).toEqual([null, null]);
  });
});
