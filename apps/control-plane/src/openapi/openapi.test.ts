import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Configuration } from '../config/configuration.js';
import { createPreview } from '../create-app.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';
import { buildOpenApiDocument } from './openapi-document.js';

interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly operationId?: string;
  readonly security?: readonly Record<string, unknown>[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly description?: string;
  }[];
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
}

interface Schema {
  readonly $ref?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

/** A field may leave the word to the schema that it refers to. */
function undescribedFields(
  schema: Schema,
  path: string,
  schemas: Readonly<Record<string, Schema>>,
): string[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const named = schemas[field.$ref?.split('/').at(-1) ?? ''];
    const lacking = field.description || named?.description ? [] : [`${path}.${name}`];
    return [...lacking, ...undescribedFields(field, `${path}.${name}`, schemas)];
  });
  return schema.items ? [...own, ...undescribedFields(schema.items, `${path}[]`, schemas)] : own;
}

const PUBLIC = ['GET /healthz', 'GET /metrics', 'GET /readyz'];

describe('the OpenAPI document', () => {
  let control: TestApplication;
  let text: string;
  let operations: {
    readonly name: string;
    readonly operation: Operation;
  }[];

  beforeAll(async () => {
    control = await startTestApplication();
    const answer = await control.call('GET', '/api/openapi.json', { token: null });
    text = answer.text;
    const paths: Record<string, Record<string, Operation>> = answer.body.paths;
    operations = Object.entries(paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({
        name: `${method.toUpperCase()} ${path}`,
        operation,
      })),
    );
  });
  afterAll(() => control.close());

  it('is valid', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'synscope-openapi-'));
    try {
      await writeFile(join(folder, 'openapi.json'), text);
      await writeFile(join(folder, 'redocly.yaml'), 'extends: [spec]\ntelemetry: off\n');
      const redocly = join(
        createRequire(import.meta.url).resolve('@redocly/cli/package.json'),
        '..',
        'bin',
        'cli.js',
      );
      const { stderr } = await promisify(execFile)(
        process.execPath,
        [redocly, 'lint', 'openapi.json', '--config', 'redocly.yaml'],
        {
          cwd: folder,
          env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
        },
      );
      expect(stderr).toContain('Your API description is valid');
    } finally {
      await rm(folder, { recursive: true });
    }
  }, 60_000);

  it('is the same when it is written without a server, as for the clients that are made from it', async () => {
    const configuration = Configuration.fromEnvironment({ DATABASE_URL: 'postgres://localhost/none' });
    const written = buildOpenApiDocument(await createPreview(configuration));
    expect(JSON.parse(JSON.stringify(written))).toEqual(JSON.parse(text));
  });

  it('gives every operation a summary, a description, an id of its own and a word on security', () => {
    const lacking = operations.filter(
      ({ operation }) =>
        !operation.summary || !operation.description || !operation.operationId || !operation.security,
    );
    expect(lacking.map(({ name }) => name)).toEqual([]);
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length);
  });

  it('says of every parameter and of every field what it is', () => {
    const unnamed = operations.flatMap(({ name, operation }) =>
      (operation.parameters ?? [])
        .filter(({ description = '' }) => description === '' || description.startsWith('One or more values'))
        .map((parameter) => `${name} ${parameter.name}`),
    );
    const { schemas } = JSON.parse(text).components;
    const fields = Object.entries<Schema>(schemas).flatMap(([name, schema]) =>
      undescribedFields(schema, name, schemas),
    );
    expect([...unnamed, ...fields]).toEqual([]);
  });

  it('says which routes need no token, and these are few', () => {
    const open = operations
      .filter(({ operation }) => operation.security?.length === 0)
      .map(({ name }) => name);
    expect(open.sort()).toEqual(PUBLIC);
  });

  it('lists the errors that each operation may answer', () => {
    for (const { name, operation } of operations) {
      if (operation.security?.length === 0) continue;
      expect(Object.keys(operation.responses), name).toEqual(
        expect.arrayContaining(['400', '401', '403', '503']),
      );
      expect(Object.keys(operation.responses['400']?.content ?? {}), name).toEqual([
        'application/problem+json',
      ]);
    }
  });

  it('is shown as a page that fetches nothing from other hosts', async () => {
    const page = await control.call('GET', '/api/docs', { token: null });
    expect(page.status).toBe(200);
    expect(page.text).not.toMatch(/https?:\/\//);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    for (const [, asset] of page.text.matchAll(/(?:src|href)="(\/api\/docs\/[^"]+)"/g)) {
      const { status, text: content } = await control.call('GET', asset ?? '', { token: null });
      expect(status, asset).toBe(200);
      expect(content.length, asset).toBeGreaterThan(50);
    }
    const { text: script } = await control.call('GET', '/api/docs/start.js');
    const documentUrl = /url: '([^']+)'/.exec(script)?.[1] ?? '';
    expect((await control.call('GET', documentUrl)).body.openapi).toMatch(/^3\./);
    expect((await control.call('GET', '/api/docs/')).text).toBe(page.text);
  });
});
