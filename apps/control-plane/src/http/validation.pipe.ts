import { type ArgumentMetadata, type PipeTransform, StandardSchemaValidationPipe } from '@nestjs/common';
import { z } from 'zod';
import { ApiError, type FieldError } from '../errors/api-error.js';
import { fieldErrors } from './field-errors.js';
import { unstorableTexts } from './unstorable-text.js';

/** Checks bodies, queries and path parameters against the schema in their decorator; what does not fit is a 400 that names the field. */
export class ValidationPipe extends StandardSchemaValidationPipe implements PipeTransform {
  override async transform<T>(value: T, metadata: ArgumentMetadata): Promise<T> {
    const { schema } = metadata;
    if (!(schema instanceof z.ZodType) || !this.toValidate(metadata)) return super.transform(value, metadata);
    const given: unknown = metadata.type === 'body' && value === undefined ? {} : value;
    this.stripProtoKeys(given);
    const result = await schema.safeParseAsync(given);
    if (result.success) {
      const unstorable = unstorableTexts(result.data);
      if (unstorable.length > 0) throw validationError(unstorable);
      return result.data as T;
    }
    throw validationError(
      fieldErrors(result.error, schema, given, metadata.type === 'query' ? 'parameter' : 'field'),
    );
  }
}

function validationError(errors: readonly FieldError[]): ApiError {
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  const detail = first
    ? `${first.path ? `${first.path}: ` : ''}${first.message}${more}`
    : 'The request is not valid';
  return new ApiError('invalid_request', detail, { errors });
}
