/**
 * Why a batch was refused. `malformed`: not the protobuf message, or columns that do not belong together; `out_of_range`: a value that
 * the contract does not allow; `out_of_time`: observed too far ahead of now, or before what retention still keeps; `too_large`: more
 * bytes than a batch may have; `rejected_by_database`: passed every check here and still failed in COPY.
 */
export type RefusalReason =
  | 'malformed'
  | 'out_of_range'
  | 'out_of_time'
  | 'too_large'
  | 'rejected_by_database';

/** The batch can never be stored; sending it again cannot help. The message names the column and the row. */
export class BatchRefusedError extends Error {
  override readonly name = 'BatchRefusedError';

  constructor(
    readonly reason: RefusalReason,
    message: string,
    /** Records of the kind whose times were at fault. */
    readonly records = 0,
  ) {
    super(message);
  }
}
