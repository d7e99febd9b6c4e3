import { matches, type Requirement } from '@synscope/selector';
import { createEmptyTestDatabase, type TestDatabase } from '@synscope/testing';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { labelCondition } from './label-condition.js';

let database: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  database = await createEmptyTestDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

// Few keys and values, so that they meet.
const key = fc.constantFrom('env', 'role', 'example.com/team');
const value = fc.constantFrom('', 'a', 'b');
const requirement: fc.Arbitrary<Requirement> = fc.oneof(
  fc.record({
    operator: fc.constantFrom('in' as const, 'notin' as const),
    key,
    values: fc.uniqueArray(value, { minLength: 1 }),
  }),
  fc.record({ operator: fc.constantFrom('exists' as const, 'absent' as const), key }),
);

it('selects in Postgres exactly the labels that the selector matches', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(requirement, { maxLength: 3 }),
      fc.dictionary(key, value),
      async (selector, labels) => {
        const condition = labelCondition(selector, 'labels', 2);
        const { rows } = await client.query(
          `SELECT ${condition.sql} AS selected FROM (SELECT $1::jsonb AS labels) AS one`,
          [JSON.stringify(labels), ...condition.parameters],
        );
        expect(rows).toEqual([{ selected: matches(selector, labels) }]);
      },
    ),
    { numRuns: 300 },
  );
});
