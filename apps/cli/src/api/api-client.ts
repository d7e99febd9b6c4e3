import createClient, { type Client } from 'openapi-fetch';
import { CliError } from '../cli-error.js';
import type { Connection } from '../connection.js';
import type { paths } from '../gen/openapi.js';
import { apiProblem } from './api-problem.js';

/** What a GET of `P` answers. */
export type AnswerOf<P extends keyof paths> = paths[P] extends {
  get: { responses: { 200: { content: { 'application/json': infer Answer } } } };
}
  ? Answer
  : never;

/** Paths that answer with `items`: lists, and summaries. */
export type ListPath = {
  [P in keyof paths]: AnswerOf<P> extends { items: unknown[] } ? P : never;
}[keyof paths];

export type ItemOf<P extends ListPath> = AnswerOf<P> extends { items: (infer Item)[] } ? Item : never;

export type ListAnswer<P extends ListPath> = AnswerOf<P> & { readonly items: readonly ItemOf<P>[] };

export type QueryOf<P extends ListPath> = paths[P] extends { get: { parameters: { query?: infer Query } } }
  ? NonNullable<Query>
  : never;

/** Parameters as they were typed: the control plane says what is wrong with them. */
export type QueryTexts<P extends ListPath> = { readonly [K in keyof QueryOf<P>]?: string | undefined };

export interface ListRequest<P extends ListPath> {
  readonly path: P;
  /** For a path with `{id}`. */
  readonly id?: string;
  readonly query: QueryTexts<P>;
}

export type StreamedType = 'application/x-ndjson' | 'text/csv';

/** The REST API. All calls throw CliError when it refuses or cannot be reached. */
export class ApiClient {
  /** Every operation, typed by the OpenAPI document. */
  readonly operations: Client<paths, 'application/json'>;

  constructor(
    private readonly connection: Connection,
    interrupted: AbortSignal,
  ) {
    this.operations = createClient<paths, 'application/json'>({
      baseUrl: connection.url,
      signal: interrupted,
    });
    this.operations.use({
      onRequest: ({ request }) => {
        request.headers.set('authorization', `Bearer ${connection.token}`);
      },
      onResponse: async ({ response }) => {
        if (!response.ok) throw await apiProblem(response);
      },
      onError: ({ error }) => {
        throw this.unreachable(error);
      },
    });
  }

  async list<P extends ListPath>(request: ListRequest<P>): Promise<ListAnswer<P>> {
    return (await this.get(request, 'application/json', 'json')) as ListAnswer<P>;
  }

  /** The bytes of a list in another form than JSON, as they arrive. */
  async stream<P extends ListPath>(
    request: ListRequest<P>,
    type: StreamedType,
  ): Promise<AsyncIterable<Uint8Array> | Iterable<Uint8Array>> {
    // There is no body where there is nothing to tell.
    return ((await this.get(request, type, 'stream')) as AsyncIterable<Uint8Array> | undefined) ?? [];
  }

  /** The path, the query and the answer are typed by the callers above; this is where that ends, as flags are texts. */
  private async get(
    { path, id, query }: { readonly path: string; readonly id?: string; readonly query: object },
    accept: string,
    parseAs: 'json' | 'stream',
  ): Promise<unknown> {
    const untyped = this.operations as unknown as Client<Record<string, never>>;
    const { data } = await untyped.GET(
      path as never,
      { params: { query, path: { id } }, headers: { accept }, parseAs } as never,
    );
    return data;
  }

  private unreachable(error: unknown): unknown {
    if (!(error instanceof Error) || error.name === 'AbortError') return error;
    const { cause } = error;
    const reason = cause instanceof Error ? Reflect.get(cause, 'code') || cause.message : error.message;
    return new CliError(
      `the control plane at ${this.connection.url} cannot be reached: ${reason} (SYNSCOPE_URL or --url names another)`,
    );
  }
}

/** What an operation has answered; failures have been thrown by then. */
export async function answerOf<T>(call: Promise<{ readonly data?: T }>): Promise<NonNullable<T>> {
  const { data } = await call;
  if (data === undefined || data === null) throw new CliError('the control plane answered without a body');
  return data;
}
