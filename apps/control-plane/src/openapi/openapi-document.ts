import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { BEARER_SCHEME, PUBLIC_EXTENSION } from '../access/require-role.js';
import { EVENT_STREAM_EXTENSION, STREAMED_EXTENSION } from '../http/endpoint.js';
import { convertSchema } from './schema-conversion.js';

type Operation = OpenAPIObject['paths'][string]['get'] & Record<string, unknown>;
const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

export function buildOpenApiDocument(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Synscope')
    .setDescription('Finds slow TCP handshakes and slow DNS across a fleet, and says why.')
    .setVersion('1')
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addServer('/')
    .addBearerAuth(
      { type: 'http', scheme: 'bearer', description: 'An API token: `Authorization: Bearer syn_…`.' },
      BEARER_SCHEME,
    )
    .addTag('Trace sessions', 'What is traced where, from when until when.')
    .addTag('Schedules', 'Trace sessions that start by themselves, again and again.')
    .addTag('Handshakes', 'What the agents observed of TCP handshakes.')
    .addTag(
      'DNS',
      'What the agents observed of DNS: queries, what applications waited for, and datagrams that found no room.',
    )
    .addTag('Fleet', 'Agents, and the tokens by which they join.')
    .addTag('Access', 'API tokens and the audit trail.')
    .addTag('Operation', 'Health, readiness and metrics of a replica.')
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    standardSchemaConverter: (schema, { schemaType }) => convertSchema(schema, schemaType),
    operationIdFactory: (controller, method) =>
      `${lowerFirst(controller.replace(/Controller$/, ''))}_${method}`,
  });
  for (const path of Object.values(document.paths)) {
    for (const method of METHODS) {
      const operation = path[method];
      if (operation) finishOperation(operation as Operation);
    }
  }
  return shortenInputNames(document);
}

/** A schema that only requests have needs no suffix to tell it from that of answers. */
function shortenInputNames(document: OpenAPIObject): OpenAPIObject {
  const names = new Set(Object.keys(document.components?.schemas ?? {}));
  let text = JSON.stringify(document);
  for (const name of names) {
    const short = name.replace(/Input$/, '');
    if (short === name || names.has(short)) continue;
    text = text
      .replaceAll(`"#/components/schemas/${name}"`, `"#/components/schemas/${short}"`)
      .replaceAll(`"${name}":`, `"${short}":`);
  }
  return JSON.parse(text);
}

function finishOperation(operation: Operation): void {
  if (operation[PUBLIC_EXTENSION]) {
    operation.security = [];
    delete operation[PUBLIC_EXTENSION];
  }
  if (operation.security?.length) describeRateLimit(operation);
  for (const parameter of operation.parameters ?? []) {
    // `role=client,server`, where the default of OpenAPI would be to repeat the parameter.
    if (
      'schema' in parameter &&
      parameter.schema &&
      'type' in parameter.schema &&
      parameter.schema.type === 'array'
    ) {
      Object.assign(parameter, { style: 'form', explode: false });
    }
  }
  for (const [status, response] of Object.entries(operation.responses)) {
    if (!response || !('content' in response) || !response.content) continue;
    const json = response.content['application/json'];
    if (Number(status) >= 400 && json && !operation.security?.length) continue;
    if (Number(status) >= 400 && json) response.content = { 'application/problem+json': json };
    if (status === '200' && operation[STREAMED_EXTENSION]) {
      response.content['application/x-ndjson'] = {
        schema: { type: 'string', description: 'One item in JSON per line; all of them.' },
      };
      response.content['text/csv'] = {
        schema: { type: 'string', description: 'RFC 4180 with a header line; all items.' },
      };
    }
    if (status === '200' && json && operation[EVENT_STREAM_EXTENSION]) {
      response.content = { 'text/event-stream': json };
    }
  }
  delete operation[STREAMED_EXTENSION];
  delete operation[EVENT_STREAM_EXTENSION];
}

/** As all routes that need a token have it, beside what a route says of its own limits. */
function describeRateLimit({ responses }: Operation): void {
  const [own, problem] = [responses['429'], responses['401']];
  const description = [
    own && 'description' in own && own.description,
    'The token has used up its requests per minute, or its address has sent too many that do not work.',
  ];
  responses['429'] = {
    ...problem,
    description: description.filter(Boolean).join(' '),
    headers: {
      'Retry-After': {
        description: 'Seconds until a request is allowed again.',
        schema: { type: 'integer' },
      },
    },
  };
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
