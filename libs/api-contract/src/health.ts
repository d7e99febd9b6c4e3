import { z } from 'zod';

export const healthSchema = z.strictObject({ status: z.literal('ok') }).meta({ id: 'Health' });

export const readinessSchema = z
  .strictObject({
    status: z.enum(['ready', 'not_ready']),
    checks: z.array(
      z.strictObject({
        name: z.string(),
        ready: z.boolean(),
        reason: z.string().nullable().meta({ description: 'Why it is not ready.' }),
      }),
    ),
  })
  .meta({ id: 'Readiness' });
export type Readiness = z.output<typeof readinessSchema>;
