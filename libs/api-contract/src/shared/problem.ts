import { z } from 'zod';

/** RFC 9457 problem details, the body of every error. */
export const problemSchema = z
  .strictObject({
    type: z
      .string()
      .meta({ description: 'URN of the kind of problem.', example: 'urn:synscope:problem:not_found' }),
    title: z.string().meta({ description: 'The kind of problem in a few words.' }),
    status: z.int().meta({ description: 'The HTTP status.', example: 404 }),
    detail: z.string().meta({ description: 'What went wrong this time, and what to do about it.' }),
    code: z.string().meta({ description: 'Stable name for programs.', example: 'not_found' }),
    errors: z
      .array(
        z.strictObject({
          path: z.string().meta({ description: 'The field or parameter as the caller wrote it.' }),
          message: z.string().meta({ description: 'What is wrong with it.' }),
        }),
      )
      .optional()
      .meta({ description: 'With status 400: what is wrong, field by field.' }),
  })
  .meta({ id: 'Problem' });
export type Problem = z.output<typeof problemSchema>;
