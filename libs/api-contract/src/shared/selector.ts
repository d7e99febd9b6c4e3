import { z } from 'zod';

/** Text of a label selector; its grammar is checked by @synscope/selector where it is used. */
export const selectorTextSchema = z.string().max(2_000).meta({
  description: 'Label selector as in Kubernetes; the empty selector matches every agent.',
  example: 'env=prod,role in (web,api),!canary',
});

const RESERVED_LABEL_PREFIX = 'synscope.io/';

// The rules of Kubernetes label keys and values, which the selector grammar takes for granted.
const LABEL_NAME = '[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?';
const LABEL_PREFIX = '(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?';

export const labelKeySchema = z
  .string()
  .regex(
    new RegExp(`^${LABEL_PREFIX}${LABEL_NAME}$`),
    'expected a label key: at most 63 letters, digits, . _ - starting and ending with a letter or digit',
  )
  .refine(
    (key) => !key.startsWith(RESERVED_LABEL_PREFIX),
    `labels below ${RESERVED_LABEL_PREFIX} are reserved for the control plane: choose another key`,
  );
export const labelValueSchema = z
  .string()
  .regex(
    new RegExp(`^(?:${LABEL_NAME})?$`),
    'expected a label value: at most 63 letters, digits, . _ - starting and ending with a letter or digit',
  );

export const labelsSchema = z
  .record(labelKeySchema, labelValueSchema)
  .refine((labels) => Object.keys(labels).length <= 64, 'at most 64 labels')
  .meta({ description: 'Labels, at most 64.', example: { env: 'prod', role: 'web' } });
export type Labels = z.output<typeof labelsSchema>;
