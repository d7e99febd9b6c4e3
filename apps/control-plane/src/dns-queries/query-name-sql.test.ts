import { createTestDatabase } from '@synscope/testing';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isBoundaryAfter, suffixSql } from './query-name-sql.js';

const database = await createTestDatabase();
const client = new pg.Client({ connectionString: database.url });
beforeAll(() => client.connect());
afterAll(async () => {
  await client.end();
  await database.drop();
});

// Labels as records have them, with many dots and backslashes in them.
const label = fc
  .array(fc.constantFrom('a', '-', '=', String.raw`\.`, String.raw`\\`, String.raw`\027`), {
    minLength: 1,
    maxLength: 4,
  })
  .map((parts) => parts.join(''));
const labels = fc.array(label, { minLength: 1, maxLength: 5 });

describe('SQL over names in presentation format', () => {
  it('takes the last labels of a name, whatever is in them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(labels, { minLength: 1, maxLength: 50 }), fc.nat(4), async (names, more) => {
        const { rows } = await client.query(
          `SELECT ${suffixSql('name', more + 1)} AS suffix FROM unnest($1::text[]) WITH ORDINALITY AS names (name, place) ORDER BY place`,
          [names.map((parts) => parts.join('.'))],
        );
        expect(rows.map(({ suffix }) => suffix)).toEqual(
          names.map((parts) => parts.slice(-(more + 1)).join('.')),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('takes a dot for a boundary if it is not part of a label', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(labels, { minLength: 1, maxLength: 50 }), async (names) => {
        const texts = names.map((parts) => parts.join('.'));
        const { rows } = await client.query(
          `SELECT ${isBoundaryAfter('name')} AS boundary FROM unnest($1::text[]) WITH ORDINALITY AS names (name, place) ORDER BY place`,
          [[...texts, ...texts.map((text) => `${text}\\`)]],
        );
        expect(rows.map(({ boundary }) => boundary)).toEqual([
          ...texts.map(() => true),
          ...texts.map(() => false),
        ]);
      }),
      { numRuns: 60 },
    );
  });

  it('leaves the root as it is', async () => {
    const { rows } = await client.query(`SELECT ${suffixSql("'.'::text", 2)} AS suffix`);
    expect(rows).toEqual([{ suffix: '.' }]);
  });
});
