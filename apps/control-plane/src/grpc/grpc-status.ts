import { status } from '@grpc/grpc-js';

export type GrpcCode = keyof typeof status;

/** Ends a call with a status that the other side can act on. The message goes over the wire. */
export class GrpcStatusError extends Error {
  override readonly name = 'GrpcStatusError';
  /** What grpc-js looks at. */
  readonly code: status;
  readonly details: string;

  constructor(codeName: GrpcCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = status[codeName];
    this.details = message;
  }
}
