import { describe, expect, it } from 'vitest';
import { type MinuteVerdict, nextStanding, type ThresholdStanding } from './threshold-state.js';

const minute = (number: number) => new Date(Date.UTC(2026, 0, 31, 8, number));
const START: ThresholdStanding = { state: 'ok', minutesAbove: 0, minutesUnknown: 0, lastMinute: null };

/** One letter per minute: above, below, unknown; a gap is a minute that nobody evaluated. */
function states(minutes: string, forMinutes: number): string {
  const verdicts: Readonly<Record<string, MinuteVerdict>> = { a: 'above', b: 'below', u: 'unknown' };
  let standing = START;
  return [...minutes]
    .map((letter, number) => {
      const verdict = verdicts[letter];
      if (verdict) standing = nextStanding(standing, verdict, minute(number), forMinutes);
      return standing.state === 'exceeded' ? '!' : '.';
    })
    .join('');
}

describe('a threshold', () => {
  it.each([
    ['aaa', 3, '..!', 'is exceeded by the last of so many minutes in a row'],
    ['aabaaa', 3, '.....!', 'counts anew after a minute below'],
    ['aauaaa', 3, '.....!', 'counts anew after a minute that says nothing'],
    ['aa aaa', 3, '.....!', 'counts anew after a minute that nobody evaluated'],
    ['a', 1, '!', 'is exceeded by one minute if that is asked'],
    ['aaaaab', 2, '.!!!!.', 'is over with the first minute below'],
    ['aauau', 2, '.!!!!', 'is not over with a minute that says nothing'],
    ['aauu', 2, '.!!.', 'is over when as many minutes in a row say nothing'],
    ['aau u', 2, '.!!!!', 'and not by minutes that nobody evaluated'],
    ['aabaa', 2, '.!..!', 'is exceeded again after that'],
    ['bbuub', 1, '.....', 'is not exceeded by what is not above'],
  ])('in the minutes "%s" for %i: %s, since it %s', (minutes, forMinutes, expected) => {
    expect(states(minutes, forMinutes)).toBe(expected);
  });
});
