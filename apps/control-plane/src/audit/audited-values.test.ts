import { describe, expect, it } from 'vitest';
import { NOT_KEPT, withoutEqualFields, withoutSecrets } from './audited-values.js';

describe('what the audit trail keeps', () => {
  it('is without the value of whatever is named like a secret, at any depth', () => {
    const kept = withoutSecrets({
      name: 'hook',
      secret: 'whsec_1',
      token: 'syn_1',
      tokenId: 'an id',
      expiresAt: new Date(0),
      headers: [{ authorization: 'Bearer x', accept: '*/*' }],
      nested: {
        previousSecrets: ['whsec_0'],
        joinToken: 'sj_1',
        joinTokenId: 'an id',
        secretHash: Buffer.from('x'),
      },
    });
    expect(kept).toEqual({
      name: 'hook',
      secret: NOT_KEPT,
      token: NOT_KEPT,
      tokenId: 'an id',
      expiresAt: '1970-01-01T00:00:00.000Z',
      headers: [{ authorization: NOT_KEPT, accept: '*/*' }],
      nested: { previousSecrets: NOT_KEPT, joinToken: NOT_KEPT, joinTokenId: 'an id', secretHash: NOT_KEPT },
    });
  });

  it('of a change is what differs, also where a field comes or goes', () => {
    expect(
      withoutEqualFields(
        { name: 'a', labels: { x: '1' }, old: 1 },
        { name: 'b', labels: { x: '1' }, new: 2 },
      ),
    ).toEqual({ before: { name: 'a', old: 1 }, after: { name: 'b', new: 2 } });
  });

  it('of a creation or a deletion is all of it', () => {
    expect(withoutEqualFields(null, { name: 'a' })).toEqual({ before: null, after: { name: 'a' } });
    expect(withoutEqualFields({ name: 'a' }, null)).toEqual({ before: { name: 'a' }, after: null });
  });
});
