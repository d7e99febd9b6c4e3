import { expect, it } from 'vitest';
import { BufferPool } from './buffer-pool.js';

const bytes = (length: number, value: number) => new Uint8Array(length).fill(value);

it('gives copies that share no memory until one is given back', () => {
  const pool = new BufferPool(1_000_000);
  const source = bytes(100_000, 1);
  const first = pool.copyOf(source);
  source.fill(9);
  const second = pool.copyOf(bytes(100_000, 2));
  expect([first.length, first[0], first.at(-1), second[0]]).toEqual([100_000, 1, 1, 2]);
  pool.recycle(first);
  const third = pool.copyOf(bytes(99_000, 3));
  expect(third.buffer).toBe(first.buffer);
  expect([third.length, second[0], third[0]]).toEqual([99_000, 2, 3]);
});

it('keeps no more idle memory than its bound, and none of small copies', () => {
  const pool = new BufferPool(150_000);
  const [first, second] = [pool.copyOf(bytes(100_000, 1)), pool.copyOf(bytes(100_000, 1))];
  pool.recycle(first);
  pool.recycle(second);
  expect(pool.copyOf(bytes(100_000, 1)).buffer).toBe(first.buffer);
  expect(pool.copyOf(bytes(100_000, 1)).buffer).not.toBe(second.buffer);
  const small = pool.copyOf(bytes(100, 1));
  pool.recycle(small);
  expect(pool.copyOf(bytes(100, 1))).not.toBe(small);
});
