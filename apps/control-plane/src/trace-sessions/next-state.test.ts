import { describe, expect, it } from 'vitest';
import { END_GRACE_MS, nextState, type TargetTally } from './next-state.js';

const none: TargetTally = { matched: 0, done: 0, failed: 0, started: 0, runningOnline: 0 };
const pending = { state: 'pending', overdueMs: -1_000 } as const;
const running = { state: 'running', overdueMs: -1_000 } as const;

describe('the state of a session', () => {
  it('stays pending until somebody begins, also when nobody is matched', () => {
    expect(nextState(pending, none)).toBe('pending');
    expect(nextState(pending, { ...none, matched: 3 })).toBe('pending');
    expect(nextState(pending, { ...none, matched: 3, failed: 1 })).toBe('pending');
  });

  it('runs once somebody has begun', () => {
    expect(nextState(pending, { ...none, matched: 3, started: 1, runningOnline: 1 })).toBe('running');
    expect(nextState(running, { ...none, matched: 3, started: 3, done: 2, runningOnline: 1 })).toBe(
      'running',
    );
  });

  it('ends before its time when every agent has ended', () => {
    expect(nextState(running, { ...none, matched: 2, started: 2, done: 2 })).toBe('completed');
    expect(nextState(running, { ...none, matched: 2, started: 1, done: 1, failed: 1 })).toBe('completed');
    expect(nextState(pending, { ...none, matched: 2, failed: 2 })).toBe('failed');
  });

  it('is completed after its time when those who can say so are done', () => {
    const over = { state: 'running', overdueMs: 10 } as const;
    expect(nextState(over, { ...none, matched: 2, started: 2, done: 1, runningOnline: 1 })).toBe('running');
    expect(nextState(over, { ...none, matched: 2, started: 2, done: 1 })).toBe('completed');
    expect(nextState({ state: 'pending', overdueMs: 0 }, none)).toBe('completed');
  });

  it('does not wait for a silent agent longer than the grace', () => {
    const long = { state: 'running', overdueMs: END_GRACE_MS } as const;
    expect(nextState(long, { ...none, matched: 1, started: 1, runningOnline: 1 })).toBe('completed');
  });

  it('has failed if its time passes with failures only', () => {
    expect(nextState({ state: 'pending', overdueMs: 1 }, { ...none, matched: 2, failed: 1 })).toBe('failed');
  });
});
