import { Ajv2020 } from 'ajv/dist/2020.js';
import formatsModule from 'ajv-formats';
import type { ServedRoute } from './served-routes.js';

/** A `oneOf` that fails tells what is wrong with each branch. */
const MAXIMUM_FAULTS = 20;

/** Holds answers to what the OpenAPI document says of them, by a validator that shares nothing with what made them. */
export class AnswerSchemas {
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });

  constructor(document: Record<string, unknown>) {
    formatsModule.default(this.#ajv);
    // zod's names for address prefixes; their patterns are in the schemas as well.
    this.#ajv.addFormat('cidrv4', true).addFormat('cidrv6', true);
    this.#ajv.addSchema(document, 'openapi');
  }

  /** What is wrong with an answer; empty if nothing is, or if the document says nothing of its body. */
  faults(
    { method, path, responses }: ServedRoute,
    status: number,
    contentType: string,
    body: unknown,
  ): string[] {
    const types = responses[String(status)];
    if (types === undefined) return [`the status ${status} is not documented`];
    if (types.length === 0) return [];
    if (!types.includes(contentType)) return [`${contentType} is not documented with the status ${status}`];
    return this.#validate(
      pointer(
        'paths',
        path,
        method.toLowerCase(),
        'responses',
        String(status),
        'content',
        contentType,
        'schema',
      ),
      body,
    );
  }

  /** What is wrong with one item of a list. */
  itemFaults({ method, path }: ServedRoute, item: unknown): string[] {
    const list = pointer(
      'paths',
      path,
      method.toLowerCase(),
      'responses',
      '200',
      'content',
      'application/json',
      'schema',
    );
    // The item by way of a list of one, since the list's schema may be a reference.
    return this.#validate(list, { items: [item], nextCursor: null, loss: { records: 0, intervals: [] } });
  }

  #validate(reference: string, value: unknown): string[] {
    const validate = this.#ajv.compile({ $ref: `openapi#${reference}` });
    if (validate(value)) return [];
    return (validate.errors ?? [])
      .slice(0, MAXIMUM_FAULTS)
      .map(
        ({ instancePath, message, params }) =>
          `${instancePath || 'the whole'} ${message} ${JSON.stringify(params)}`,
      );
  }
}

/** https://www.rfc-editor.org/rfc/rfc6901, as a fragment of a URI. */
function pointer(...keys: string[]): string {
  return keys
    .map((key) => `/${encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))}`)
    .join('');
}
