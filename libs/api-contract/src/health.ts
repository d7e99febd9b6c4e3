import { z } from 'zod';

export const healthSchema = z
  .strictObject({ status: z.literal('ok').meta({ description: 'The process runs.' }) })
  .meta({ id: 'Health' });

export const readinessSchema = z
  .strictObject({
    status: z.enum(['ready', 'not_ready']).meta({ description: '`ready` if every check is.' }),
    checks: z
      .array(
        z.strictObject({
          name: z.string().meta({ description: 'What is checked.' }),
          ready: z.boolean().meta({ description: 'Whether it can be used.' }),
          reason: z.string().nullable().meta({ description: 'Why it is not ready.' }),
        }),
      )
      .meta({ description: 'What this replica needs.' }),
  })
  .meta({ id: 'Readiness' });
export type Readiness = z.output<typeof readinessSchema>;
