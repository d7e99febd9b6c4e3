import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Configuration } from '../../config/configuration.js';
import { refusalOf } from './address-policy.js';
import type { HostResolver } from './host-resolver.js';
import { OutboundHttp } from './outbound-http.js';
import { OutboundRefusedError } from './outbound-refused.error.js';

let port: number;
let arrived = 0;
const server = createServer((request, response) => {
  arrived++;
  request.resume();
  response.writeHead(200, request.url === '/close' ? { connection: 'close' } : {}).end('{}');
});
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

const opened: OutboundHttp[] = [];
afterEach(() => {
  for (const http of opened.splice(0)) http.beforeApplicationShutdown();
  arrived = 0;
});

function outbound(
  answers: (hostname: string) => readonly string[],
  environment: Record<string, string> = {},
) {
  const configuration = Configuration.fromEnvironment({
    DATABASE_URL: 'postgres://nowhere/none',
    SYNSCOPE_WEBHOOK_ALLOW_HTTP: 'true',
    ...environment,
  });
  const resolver: HostResolver = {
    resolve: (hostname, callback) =>
      callback(
        null,
        answers(hostname).map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      ),
  };
  const http = new OutboundHttp(configuration, resolver);
  opened.push(http);
  return http;
}

const post = (http: OutboundHttp, url: string) =>
  http.post({ url, headers: {}, body: '{}' }, AbortSignal.timeout(10_000));

describe('which addresses may be sent to', () => {
  it.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.1',
    '192.0.2.1',
    '192.168.1.1',
    '198.18.0.1',
    '203.0.113.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::127.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '64:ff9b::7f00:1',
    '64:ff9b:1::a00:1',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    '4000::1',
    'fc00::1',
    'fd12:3456::1',
    'fe80::1',
    'fe80::1%eth0',
    'fec0::1',
    'ff02::1',
    '',
    'localhost',
  ])('not %s', (address) => {
    expect(refusalOf(address, [])).toMatch(/ is /);
  });

  it.each(['1.1.1.1', '8.8.8.8', '172.32.0.1', '192.169.0.1', '2606:4700::1111', '2a00:1450::1'])(
    '%s',
    (address) => {
      expect(refusalOf(address, [])).toBeNull();
    },
  );

  it('those that the configuration names as well, and no others', () => {
    const allowed = ['10.20.0.0/16', '127.0.0.1', 'fd00:20::/32'];
    expect(['10.20.255.1', '127.0.0.1', 'fd00:20::5'].map((address) => refusalOf(address, allowed))).toEqual([
      null,
      null,
      null,
    ]);
    for (const address of ['10.21.0.1', '127.0.0.2', 'fd00:21::5', '::ffff:127.0.0.1'])
      expect(refusalOf(address, allowed)).not.toBeNull();
  });
});

describe('a request to the outside', () => {
  it('is not sent to a literal address that is not public, however it is written', async () => {
    const http = outbound(() => []);
    for (const host of [
      '127.0.0.1',
      '2130706433',
      '0x7f.1',
      '017700000001',
      '[::1]',
      '[::ffff:7f00:1]',
      '127.1',
    ])
      await expect(post(http, `http://${host}:${port}/`)).rejects.toThrow(OutboundRefusedError);
    expect(arrived).toBe(0);
  });

  it('is not sent to a public name that leads to an address that is not', async () => {
    const http = outbound(() => ['127.0.0.1', '::1']);
    await expect(post(http, `http://bots.example.com:${port}/`)).rejects.toThrow(
      'bots.example.com: 127.0.0.1 is a loopback address; SYNSCOPE_WEBHOOK_ALLOWED_NETWORKS could allow it',
    );
    expect(arrived).toBe(0);
  });

  it('resolves a name once per connection, and connects to nothing but what was checked: rebinding gains nothing', async () => {
    // Allowed when it is asked for the first time, and the far side of the control plane afterwards.
    const answers = [['127.0.0.1'], ['127.0.0.2']];
    let asked = 0;
    const http = outbound(() => answers[asked++] ?? [], { SYNSCOPE_WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1' });
    expect(await post(http, `http://rebinding.example:${port}/close`)).toMatchObject({ status: 200 });
    expect(asked).toBe(1);
    await expect(post(http, `http://rebinding.example:${port}/close`)).rejects.toThrow(OutboundRefusedError);
    expect(arrived).toBe(1);
  });

  it('goes to the allowed one of several addresses', async () => {
    const http = outbound(() => ['127.0.0.2', '127.0.0.1'], {
      SYNSCOPE_WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1',
    });
    expect(await post(http, `http://mixed.example:${port}/`)).toMatchObject({ status: 200 });
  });

  it('needs HTTPS unless the configuration says otherwise', async () => {
    const http = outbound(() => ['127.0.0.1'], {
      SYNSCOPE_WEBHOOK_ALLOW_HTTP: 'false',
      SYNSCOPE_WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
    });
    await expect(post(http, `http://127.0.0.1:${port}/`)).rejects.toThrow('SYNSCOPE_WEBHOOK_ALLOW_HTTP=true');
    expect(arrived).toBe(0);
  });

  it('says so when the other side does not speak TLS', async () => {
    const http = outbound(() => [], { SYNSCOPE_WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' });
    await expect(post(http, `https://127.0.0.1:${port}/`)).rejects.toThrow(/SSL|TLS|wrong version|EPROTO/i);
  });

  it('survives a connection that the server closed while it was idle', async () => {
    const http = outbound(() => [], { SYNSCOPE_WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8' });
    for (let round = 0; round < 5; round++) {
      expect(await post(http, `http://127.0.0.1:${port}/`)).toMatchObject({ status: 200 });
      server.closeAllConnections();
    }
    expect(arrived).toBe(5);
  });
});
