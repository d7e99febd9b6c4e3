/** One step of the schema. Applied steps are never edited: a mistake is corrected by a further step. */
export interface Migration {
  /** Unique; steps are applied in ascending order. */
  readonly number: number;
  /** As in the file's name, for example `0010-access`. */
  readonly name: string;
  /** SQL statements, run in one transaction. */
  readonly up: string;
  /** Undoes `up`. */
  readonly down: string;
}
