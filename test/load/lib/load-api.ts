import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';

export interface SessionAnswer {
  readonly id: string;
  readonly createdAt: string;
  readonly targets: {
    readonly matched: number;
    readonly pending: number;
    readonly running: number;
    readonly failed: number;
    readonly offline: number;
  };
}

/** The REST API of any replica, as the administrator. */
export class LoadApi {
  readonly #token: string;

  constructor(token: string) {
    this.#token = token;
  }

  static async of(dataDirectory: string): Promise<LoadApi> {
    return new LoadApi((await readFile(join(dataDirectory, 'admin-token'), 'utf8')).trim());
  }

  async call<T>(method: 'GET' | 'POST', url: string, path: string, body?: object): Promise<T> {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  async joinToken(url: string, maxUses: number): Promise<string> {
    const body = { name: 'load', maxUses };
    return (await this.call<{ token: string }>('POST', url, '/join-tokens', body)).token;
  }

  startSession(url: string, selector: string, query = '?wait=60s'): Promise<SessionAnswer> {
    const body = { selector, probes: ['tcp_handshake'] };
    return this.call('POST', url, `/trace-sessions${query}`, body);
  }

  /** Asks until the answer is wanted, within the time of whoever waits for it. */
  // biome-ignore lint/suspicious/noExplicitAny: reaches into answers of every shape
  async until<T extends object = any>(url: string, path: string, wanted: (answer: T) => boolean): Promise<T> {
    for (;;) {
      const answer = await this.call<T>('GET', url, path);
      if (wanted(answer)) return answer;
      await pass(50);
    }
  }

  /** All items of a list, page by page. */
  async all<T>(url: string, path: string): Promise<T[]> {
    const items: T[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page: { items: T[]; nextCursor: string | null } = await this.call(
        'GET',
        url,
        `${path}${cursor && `&cursor=${cursor}`}`,
      );
      items.push(...page.items);
      cursor = page.nextCursor;
    }
    return items;
  }

  /** When each target of a session began; null if it has not. */
  async beginOfTargets(url: string, id: string): Promise<(string | null)[]> {
    const targets = await this.all<{ startedAt: string | null }>(
      url,
      `/trace-sessions/${id}/targets?limit=1000`,
    );
    return targets.map(({ startedAt }) => startedAt);
  }

  stopSession(url: string, id: string, query = '?wait=30s'): Promise<unknown> {
    return this.call('POST', url, `/trace-sessions/${id}/stop${query}`);
  }
}
