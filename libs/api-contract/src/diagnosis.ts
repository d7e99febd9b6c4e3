import { z } from 'zod';
import {
  FINDING_CODES,
  findingAdviceSchema,
  findingEvidenceSchema,
  findingSubjectSchema,
} from './finding.js';
import { countSchema, microsecondsSchema } from './shared/record.js';
import { timeExpressionSchema, timestampSchema } from './shared/time.js';

/** The codes of findings, and what else an answer may be. */
export const DIAGNOSIS_CODES = [...FINDING_CODES, 'nothing_slow', 'no_data'] as const;
export type DiagnosisCode = (typeof DIAGNOSIS_CODES)[number];

export const diagnosisRequestSchema = z
  .strictObject({
    source: z.string().trim().min(1).max(255).nullable().default(null).meta({
      description: 'The client: an agent’s id, a hostname or an address. Null or left out: all clients.',
      example: 'web-1',
    }),
    destination: z.string().trim().min(1).max(1_004).meta({
      description:
        'What it connects to or asks: an address (`192.0.2.7`), an address and port (`192.0.2.7:443`, `[2001:db8::7]:443`), or a domain name.',
      example: '192.0.2.7:443',
    }),
    since: timeExpressionSchema.default('15m').meta({
      description: 'From when on: RFC 3339 or a length of time before now; at most 24 hours ago.',
      example: '15m',
    }),
  })
  .meta({ id: 'DiagnosisRequest' });
export type DiagnosisRequest = z.output<typeof diagnosisRequestSchema>;

export const diagnosisSchema = z
  .strictObject({
    code: z.enum(DIAGNOSIS_CODES).meta({
      description:
        'The cause that explains most of what was slow or failed, as in findings; `unexplained`; `nothing_slow`: there are records, and none was; `no_data`: there are none. Stable.',
    }),
    title: z.string().meta({ description: 'One line for people.' }),
    since: timestampSchema.meta({ description: 'From when on was looked.' }),
    until: timestampSchema.meta({ description: 'Until when.' }),
    subject: findingSubjectSchema.nullable().meta({ description: 'What has the problem; null without one.' }),
    examined: z
      .strictObject({
        records: countSchema.meta({ description: 'Handshakes and queries to the destination.' }),
        slowOrFailed: countSchema.meta({
          description:
            'Of those, the ones that rules were asked about; the newest 2,000 of each kind at most.',
        }),
      })
      .meta({ description: 'How much there was to go by.' }),
    breakdown: z
      .array(
        z.strictObject({
          code: z.enum(FINDING_CODES).meta({ description: 'The cause.' }),
          handshakes: countSchema.meta({ description: 'Handshakes or queries that it explains.' }),
          addedLatencyUs: microsecondsSchema.meta({ description: 'What they took longer. Microseconds.' }),
        }),
      )
      .meta({ description: 'By cause, most handshakes first.' }),
    evidence: z.array(findingEvidenceSchema).meta({ description: 'What was seen, for `code`.' }),
    wouldBeRefutedBy: z.string().nullable().meta({ description: 'What would prove it wrong.' }),
    advice: z.array(findingAdviceSchema).meta({ description: 'What to do.' }),
    missing: z.array(z.string()).meta({
      description: 'What was not seen, and would say more.',
      example: ['the server’s side is not traced'],
    }),
  })
  .meta({ id: 'Diagnosis' });
export type Diagnosis = z.output<typeof diagnosisSchema>;
