/**
 * Why a batch was refused. `malformed`: not the protobuf message, or columns that do not belong together; `out_of_range`: a value that
 * the contract does not allow; `too_large`: more bytes than a batch may have; `rejected_by_database`: passed every check here and still failed in COPY.
 */
export type RefusalReason = 'malformed' | 'out_of_range' | 'too_large' | 'rejected_by_database';

/** The batch can never be stored; sending it again cannot help. The message names the column and the row. */
export class BatchRefusedError extends Error {
  override readonly name = 'BatchRefusedError';

  constructor(
    readonly reason: RefusalReason,
    message: string,
  ) {
    super(message);
  }
}
