import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ApiTokenStore } from '../access/api-token.store.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

describe('the REST API', () => {
  let control: TestApplication;

  beforeAll(async () => {
    control = await startTestApplication({ SYNSCOPE_HTTP_BODY_LIMIT_BYTES: '2048' });
    for (let number = 0; number < 12; number++) {
      await control.call('POST', '/api-tokens', { body: { name: `=${number}`, role: 'viewer' } });
    }
  });
  afterAll(() => control.close());

  describe('says what is wrong with a request', () => {
    const raw = (body: string, contentType = 'application/json') =>
      control.call('POST', '/api-tokens', { body, headers: { 'content-type': contentType } });

    it.each<[string, () => ReturnType<TestApplication['call']>, number, string]>([
      ['a route that does not exist', () => control.call('GET', '/nothing'), 404, 'route_not_found'],
      [
        'a method that a route does not take',
        () => control.call('PATCH', '/api-tokens'),
        405,
        'method_not_allowed',
      ],
      ['a path with a malformed escape', () => control.call('GET', '/%'), 400, 'invalid_request'],
      ['malformed JSON', () => raw('{"name": '), 400, 'malformed_json'],
      ['an empty body', () => raw(''), 400, 'malformed_json'],
      ['a body of another format', () => raw('name: x', 'application/yaml'), 415, 'unsupported_media_type'],
      [
        'a form',
        () => raw('name=x&role=viewer', 'application/x-www-form-urlencoded'),
        415,
        'unsupported_media_type',
      ],
      [
        'a body that is too large',
        () => raw(JSON.stringify({ name: 'x'.repeat(3_000) })),
        413,
        'body_too_large',
      ],
      ['a body that is no object', () => raw('[]'), 400, 'invalid_request'],
      ['JSON with a prototype in it', () => raw('{"__proto__": {"role": "admin"}}'), 400, 'malformed_json'],
      ['an id that is none', () => control.call('DELETE', '/api-tokens/1'), 400, 'invalid_request'],
    ])('for %s', async (_what, request, status, code) => {
      const answer = await request();
      expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(answer.body, answer.text).toMatchObject({
        status,
        code,
        type: `urn:synscope:problem:${code}`,
        title: expect.any(String),
        detail: expect.any(String),
      });
      expect(answer.status).toBe(status);
    });

    it('naming unknown fields and the known ones', async () => {
      const { body } = await control.call('POST', '/api-tokens', {
        body: { name: 'x', rôle: 'viewer', role: 'viewer', a: 1 },
      });
      const message = 'unknown field; known: name, role, expiresAt';
      expect(body.errors).toEqual([
        { path: 'rôle', message },
        { path: 'a', message },
      ]);
    });

    it('naming missing and wrong fields', async () => {
      const { body } = await control.call('POST', '/api-tokens', {
        body: { name: '  ', expiresAt: 'tomorrow' },
      });
      expect(body.errors).toEqual([
        { path: 'name', message: 'a name is needed' },
        { path: 'role', message: 'is needed: expected viewer, operator or admin' },
        { path: 'expiresAt', message: 'expected an RFC 3339 time, or null' },
      ]);
      expect(body.detail).toBe('name: a name is needed (and 2 more)');
    });

    it.each([
      ['limit=0', 'limit', 'expected an integer from 1 to 1000'],
      ['limit=1001', 'limit', 'expected an integer from 1 to 1000'],
      ['limit=ten', 'limit', 'expected an integer from 1 to 1000'],
      ['limit=', 'limit', 'expected an integer from 1 to 1000'],
      ['limit=1&limit=2', 'limit', 'expected an integer from 1 to 1000'],
      ['cursor=abc', 'cursor', 'is not a cursor of this list; pass nextCursor of the page before unchanged'],
      ['offset=3', 'offset', 'unknown parameter; known: limit, cursor'],
    ])('naming the parameter for ?%s', async (query, path, message) => {
      const answer = await control.call('GET', `/api-tokens?${query}`);
      expect(answer.status).toBe(400);
      expect(answer.body.errors).toEqual([{ path, message }]);
    });

    it('refusing a query or a body where a route takes none', async () => {
      const { body } = await control.call('POST', '/api-tokens?x=1', {
        body: { name: 'x', role: 'viewer' },
      });
      expect(body.errors).toEqual([{ path: 'x', message: 'this route takes no query parameters' }]);
      const ready = await control.call('GET', '/readyz?verbose=1');
      expect(ready.status).toBe(400);
      const id = '01890a5d-ac96-774b-bcce-b302099a8057';
      const deletion = await control.call('DELETE', `/api-tokens/${id}`, { body: { force: true } });
      expect(deletion.body.errors).toEqual([{ path: 'force', message: 'this route takes no body' }]);
    });
  });

  describe('lists', () => {
    it('page by page, every item once', async () => {
      const names: string[] = [];
      let path: string | null = '/api-tokens?limit=5';
      while (path) {
        const { body }: { body: { items: { name: string }[]; nextCursor: string | null; loss: unknown } } =
          await control.call('GET', path);
        expect(body.loss).toEqual({ records: 0, intervals: [] });
        names.push(...body.items.map(({ name }) => name));
        path = body.nextCursor && `/api-tokens?limit=5&cursor=${body.nextCursor}`;
      }
      expect(names.slice(0, 12)).toEqual(Array.from({ length: 12 }, (_, index) => `=${11 - index}`));
      expect(names).toHaveLength(13);
    });

    it('refuse the cursor of another list', async () => {
      const { body } = await control.call('GET', '/api-tokens?limit=1');
      const answer = await control.call('GET', `/audit-events?cursor=${body.nextCursor}`);
      expect(answer.status).toBe(400);
      expect(answer.body.errors[0].path).toBe('cursor');
    });

    it('stream everything as NDJSON', async () => {
      const answer = await control.call('GET', '/api-tokens', {
        headers: { accept: 'application/x-ndjson' },
      });
      expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
      expect(answer.headers.get('synscope-loss-records')).toBe('0');
      const lines = answer.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(lines).toHaveLength(13);
      expect(lines[0]).toMatchObject({ name: '=11', role: 'viewer' });
    });

    it('stream everything as CSV that a spreadsheet does not run', async () => {
      const answer = await control.call('GET', '/api-tokens?limit=2', { headers: { accept: 'text/csv' } });
      expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
      const lines = answer.text.trimEnd().split('\r\n');
      expect(lines[0]).toBe('id,name,role,createdAt,expiresAt,lastUsedAt');
      expect(lines).toHaveLength(3);
      expect(lines[1]).toMatch(/^[0-9a-f-]{36},'=11,viewer,/);
    });

    it('answer 406 where no format is left', async () => {
      const answer = await control.call('GET', '/api-tokens', { headers: { accept: 'application/xml' } });
      expect(answer.body).toMatchObject({ status: 406, code: 'not_acceptable' });
      expect(answer.body.detail).toContain('application/x-ndjson');
    });

    it('answer a problem, not half a stream, if the query fails at once', async () => {
      const answer = await control.call('GET', '/api-tokens?cursor=abc', { headers: { accept: 'text/csv' } });
      expect(answer.body).toMatchObject({ status: 400, code: 'invalid_request' });
    });
  });

  describe('keeps to itself what is none of the caller’s business', () => {
    const failingWith = async (error: Error) => {
      const list = vi.spyOn(control.app.get(ApiTokenStore), 'list').mockRejectedValueOnce(error);
      const answer = await control.call('GET', '/api-tokens');
      list.mockRestore();
      return answer;
    };

    it('of an unexpected error, which it logs with the id of the request', async () => {
      const answer = await failingWith(new Error('relation "users" of hunter2'));
      expect(answer.body).toMatchObject({ status: 500, code: 'internal_error' });
      expect(answer.text).not.toMatch(/hunter2|relation/);
      const logged = control.logLines.splice(0).filter(({ level }) => level === 'error');
      expect(logged).toMatchObject([
        { requestId: answer.headers.get('x-request-id'), err: { message: 'relation "users" of hunter2' } },
      ]);
    });

    it('of a query that took too long, but for what to do about it', async () => {
      const answer = await failingWith(Object.assign(new Error('canceling statement'), { code: '57014' }));
      expect(answer.body).toMatchObject({
        status: 503,
        code: 'query_timeout',
        detail: expect.stringContaining('ask for less'),
      });
      expect(answer.headers.get('retry-after')).toBe('5');
    });
  });

  it.each([
    ['text that is no HTTP', '\u0016\u0003\u0001 hello\r\n\r\n', 400, 'invalid_request', /not a request/],
    [
      'an address that is not escaped',
      'GET /api/v1/agents?selector=bücher HTTP/1.1\r\nhost: x\r\n\r\n',
      400,
      'invalid_request',
      /%-escaped/,
    ],
    [
      'an address without end',
      `GET /api/v1/agents?selector=${'a'.repeat(20_000)} HTTP/1.1\r\n\r\n`,
      431,
      'headers_too_large',
      /16 KiB/,
    ],
  ])('answers %s with a problem, and stays up', async (_what, text, status, code, detail) => {
    const { hostname, port } = new URL(control.baseUrl);
    const reply = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => socket.write(text));
      let received = '';
      socket.on('data', (data) => {
        received += data;
      });
      socket.on('close', () => resolve(received));
      socket.on('error', reject);
    });
    expect(reply).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(reply).toContain('content-type: application/problem+json');
    expect(JSON.parse(reply.slice(reply.indexOf('\r\n\r\n')))).toMatchObject({
      status,
      code,
      detail: expect.stringMatching(detail),
    });
    expect((await control.call('GET', '/healthz')).status).toBe(200);
  });

  it('gives every answer an id, and logs neither tokens nor, while all is well, errors', async () => {
    const answer = await control.call('GET', '/api-tokens');
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    const text = JSON.stringify(control.logLines);
    expect(text).toContain(answer.headers.get('x-request-id'));
    expect(text).not.toContain(control.adminToken);
    expect(control.logLines.filter(({ level }) => level === 'error' || level === 'warn')).toEqual([]);
  });
});
