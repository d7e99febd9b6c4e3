import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Role } from '@synscope/api-contract';
import { createTestDatabase } from '@synscope/testing';
import { Configuration } from '../config/configuration.js';
import { createApp, listen } from '../create-app.js';
import { createLogger } from '../logging/create-logger.js';

/** A control plane as it runs in production, on a database and a data directory of its own. */
export interface TestApplication {
  readonly app: NestFastifyApplication;
  readonly databaseUrl: string;
  readonly dataDirectory: string;
  /** `http://127.0.0.1:PORT`. */
  readonly baseUrl: string;
  readonly grpcAddress: string | null;
  readonly adminToken: string;
  /** What was logged, parsed. */
  readonly logLines: Record<string, unknown>[];
  /** A request to the REST API as admin, with a JSON body if one is given; `/agents` means /api/v1/agents. */
  call(method: string, path: string, options?: CallOptions): Promise<TestResponse>;
  tokenFor(role: Role): Promise<string>;
  close(): Promise<void>;
}

export interface CallOptions {
  readonly body?: unknown;
  /** The admin's if left out; null for none. */
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TestResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; empty if it is not JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests reach into answers of every shape
  readonly body: any;
}

/** With a DATABASE_URL or SYNSCOPE_DATA_DIR in the environment these are used, and not removed at the end. */
export async function startTestApplication(
  environment: Readonly<Record<string, string>> = {},
): Promise<TestApplication> {
  const database = environment['DATABASE_URL'] === undefined ? await createTestDatabase() : null;
  const ownDirectory =
    environment['SYNSCOPE_DATA_DIR'] === undefined ? await mkdtemp(join(tmpdir(), 'synscope-test-')) : null;
  const configuration = Configuration.fromEnvironment({
    SYNSCOPE_HTTP_ADDR: '127.0.0.1:0',
    SYNSCOPE_GRPC_ADDR: '127.0.0.1:0',
    SYNSCOPE_DATA_DIR: ownDirectory ?? '',
    SYNSCOPE_LOG_LEVEL: 'debug',
    // Tests ask again and again until something is so.
    SYNSCOPE_RATE_LIMIT_PER_MINUTE: '0',
    DATABASE_URL: database?.url ?? '',
    ...environment,
  });
  const logLines: Record<string, unknown>[] = [];
  const logger = createLogger(configuration, { write: (line: string) => logLines.push(JSON.parse(line)) });
  const app = await createApp(configuration, logger);
  const { httpAddress, grpcAddress } = await listen(app, configuration);
  const baseUrl = `http://${httpAddress}`;
  const adminToken = (await readFile(join(configuration.dataDirectory, 'admin-token'), 'utf8')).trim();

  async function call(method: string, path: string, options: CallOptions = {}): Promise<TestResponse> {
    const token = options.token === undefined ? adminToken : options.token;
    const url = /^\/(api\/|healthz|readyz|metrics)/.test(path) ? baseUrl + path : `${baseUrl}/api/v1${path}`;
    const response = await fetch(url, {
      method,
      headers: {
        ...(token !== null && { authorization: `Bearer ${token}` }),
        ...(options.body !== undefined && { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(options.body !== undefined && {
        body: typeof options.body === 'string' ? options.body : JSON.stringify(options.body),
      }),
    });
    const text = await response.text();
    const json = /[/+]json(;|$)/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, text, body: json ? JSON.parse(text) : {} };
  }

  return {
    app,
    databaseUrl: configuration.databaseUrl,
    dataDirectory: configuration.dataDirectory,
    baseUrl,
    grpcAddress,
    adminToken,
    logLines,
    call,
    tokenFor: async (role) =>
      (await call('POST', '/api-tokens', { body: { name: `test ${role}`, role } })).body.token,
    close: async () => {
      await app.close();
      if (ownDirectory) await rm(ownDirectory, { recursive: true, force: true });
      await database?.drop();
    },
  };
}
