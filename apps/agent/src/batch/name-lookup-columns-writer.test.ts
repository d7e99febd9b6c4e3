import { NameLookupCursor } from '@synscope/probe-wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type NameLookupValues, nameLookupsPayload } from '../testing/record-bytes.js';
import {
  append,
  context,
  expectedOrigin,
  expectWhole,
  finish,
  lookupNameOf,
  microseconds,
  name,
  origin,
  originOf,
  rowsOf,
  span,
  unsigned,
  WALL_OFFSET_NS,
} from '../testing/record-rows.js';
import { RecordColumns } from './record-columns.js';

const nameLookup = fc.record({
  ...origin,
  latency_ns: span,
  result_code: fc.oneof(fc.integer({ min: -2147483648, max: 2147483647 }), fc.constantFrom(0, -2)),
  family: fc.constantFrom(0, 2, 10),
  flags: unsigned(1),
  name,
});

describe('NameLookupColumnsWriter', () => {
  it('writes exactly what the probe’s records say', () => {
    const columns = new RecordColumns(2000, context);
    const frame = { kind: 'name_lookups', cursor: new NameLookupCursor() } as const;
    fc.assert(
      fc.property(rowsOf(nameLookup), (rows) => {
        const values = rows.map(([row]) => row) satisfies NameLookupValues[];
        append(
          columns,
          frame,
          nameLookupsPayload(WALL_OFFSET_NS, values),
          rows.map(([, set]) => set),
        );
        const held = finish(columns).nameLookups;
        if (held === undefined) throw new Error('no columns');
        expectWhole(held, rows.length);
        rows.forEach(([row, set], i) => {
          expect({
            ...originOf(held, i),
            latency: held.latencyUs[i],
            result: held.resultCode[i],
            family: held.family[i],
            flags: held.flags[i],
            name: held.names[held.nameIndex[i] ?? -1],
          }).toEqual({
            ...expectedOrigin(row, set),
            latency: microseconds(row.latency_ns),
            result: row.result_code,
            family: row.family,
            flags: row.flags,
            name: lookupNameOf(Buffer.from(row.name), 0, row.name.length),
          });
        });
      }),
      { numRuns: 200 },
    );
  });
});
