import type { RecordTable } from '../record-storage/record-table.js';
import type { RecordConditions } from './record-conditions.js';
import type { RecordRow } from './record-row.js';
import type { LatencyFilter, RecordScope } from './record-scope.js';

/** How records of one kind are read: `Row` is what Postgres gives, `Item` what the API answers. */
export interface RecordKind<Row extends RecordRow, Item, Filter extends LatencyFilter> {
  readonly table: RecordTable;
  /** The columns of `Row` but for the hostname, as a list of SQL expressions. */
  readonly columns: string;
  /** What `-latencyUs` orders by. `unknown`: whether it can be null, which comes last. Null: there is no such order. */
  readonly latency: { readonly column: string; readonly unknown: boolean } | null;
  readonly conditions: (scope: RecordScope<Filter>) => RecordConditions;
  readonly toItem: (row: Row) => Item;
}
