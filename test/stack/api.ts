/** An answer of the REST API; `body` is the parsed JSON, or undefined if there was none. */
export interface ApiAnswer<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

/** The REST API as a script uses it. */
export class Api {
  readonly #base: string;
  readonly #token: string | undefined;

  constructor(base: string, token?: string) {
    this.#base = base;
    this.#token = token;
  }

  async request<Body>(method: string, path: string, body?: unknown): Promise<ApiAnswer<Body>> {
    const headers: Record<string, string> = {};
    if (this.#token !== undefined) headers['authorization'] = `Bearer ${this.#token}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    const response = await fetch(new URL(path, this.#base), {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(60_000),
    });
    const text = await response.text();
    const json = /json/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      body: (json && text ? JSON.parse(text) : text || undefined) as Body,
    };
  }

  /** The body of a successful answer; anything else is an error with the answer's text. */
  async get<Body>(path: string): Promise<Body> {
    return await this.#expectSuccess<Body>('GET', path);
  }

  /** The body of a successful answer in another form than JSON. */
  async text(path: string, accept: string): Promise<string> {
    const headers: Record<string, string> = { accept };
    if (this.#token !== undefined) headers['authorization'] = `Bearer ${this.#token}`;
    const response = await fetch(new URL(path, this.#base), { headers, signal: AbortSignal.timeout(60_000) });
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return await response.text();
  }

  async post<Body>(path: string, body?: unknown): Promise<Body> {
    return await this.#expectSuccess<Body>('POST', path, body);
  }

  async #expectSuccess<Body>(method: string, path: string, body?: unknown): Promise<Body> {
    const answer = await this.request<Body>(method, path, body);
    if (answer.status >= 300)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }
}
