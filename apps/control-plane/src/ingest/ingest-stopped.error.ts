/** The control plane shuts down: the batch is not stored, and the agent sends it again to whoever answers next. */
export class IngestStoppedError extends Error {
  override readonly name = 'IngestStoppedError';

  constructor() {
    super('the control plane is shutting down');
  }
}
