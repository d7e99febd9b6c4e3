import { ApiError } from '../errors/api-error.js';

export function findingResolved(id: string): ApiError {
  return new ApiError('finding_resolved', `the finding ${id} is resolved; new evidence opens it again`);
}
