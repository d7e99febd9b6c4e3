export type EmbeddedPostgresErrorCode =
  | 'unsupported_platform'
  | 'binaries_missing'
  | 'no_unprivileged_account'
  | 'data_directory_permission'
  | 'data_directory_foreign'
  | 'data_directory_version'
  | 'data_directory_in_use'
  | 'disk_full'
  | 'start_failed'
  | 'stop_failed';

/** Its message is one or two sentences for the person at the terminal: what is wrong and what to do about it. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';

  constructor(
    readonly code: EmbeddedPostgresErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/** Turns a failed file operation in the data directory into a sentence. */
export function dataDirectoryError(path: string, error: unknown): EmbeddedPostgresError {
  switch (errorCode(error)) {
    case 'EACCES':
    case 'EPERM':
      return new EmbeddedPostgresError(
        'data_directory_permission',
        `The data directory ${path} cannot be written by user id ${process.getuid?.() ?? '?'}. Give that user the directory, or choose another one.`,
        { cause: error },
      );
    case 'EROFS':
      return new EmbeddedPostgresError(
        'data_directory_permission',
        `The data directory ${path} is on a read-only file system. Choose another one.`,
        { cause: error },
      );
    case 'ENOSPC':
    case 'EDQUOT':
      return diskFullError(path, error);
    case 'ENOTDIR':
    case 'EEXIST':
      return new EmbeddedPostgresError(
        'data_directory_foreign',
        `The data directory ${path}, or a directory above it, is a file. Choose another one.`,
        { cause: error },
      );
    default:
      return new EmbeddedPostgresError(
        'start_failed',
        `The data directory ${path} cannot be prepared: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
  }
}

export function diskFullError(path: string, cause?: unknown): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'disk_full',
    `The disk that holds ${path} is full. Postgres needs about 100 MB to start; free some space or choose another data directory.`,
    { cause },
  );
}

export const isMissingFile = (error: unknown): boolean => errorCode(error) === 'ENOENT';
