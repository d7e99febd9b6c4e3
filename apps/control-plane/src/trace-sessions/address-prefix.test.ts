import { describe, expect, it } from 'vitest';
import { parsePrefix, withoutHostBits } from './address-prefix.js';

describe('an address prefix', () => {
  it.each([
    ['10.0.0.0/8', '0a000000', 8],
    ['192.0.2.1/32', 'c0000201', 32],
    ['::/0', '00000000000000000000000000000000', 0],
    ['fd00::/8', 'fd000000000000000000000000000000', 8],
    ['2001:db8::1/128', '20010db8000000000000000000000001', 128],
    ['2001:db8:1:2:3:4:5:6/128', '20010db8000100020003000400050006', 128],
    ['192.0.2.53', 'c0000235', 32],
    ['2001:db8::35', '20010db8000000000000000000000035', 128],
    ['::ffff:192.0.2.1/128', '00000000000000000000ffffc0000201', 128],
  ])('%s becomes bytes', (text, hex, length) => {
    const prefix = parsePrefix(text);
    expect(Buffer.from(prefix.address).toString('hex')).toBe(hex);
    expect(prefix.length).toBe(length);
    expect(withoutHostBits(text)).toBeNull();
  });

  it.each([
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.1.255.3/20', '10.1.240.0/20'],
    ['10.1.2.3/0', '0.0.0.0/0'],
    ['2001:db8::1/64', '2001:db8::/64'],
  ])('%s is meant as %s', (text, meant) => {
    expect(withoutHostBits(text)).toBe(meant);
  });
});
