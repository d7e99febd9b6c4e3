import { once } from 'node:events';
import { createServer, type Server } from 'node:http';

export interface DeliveredEvent {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** CLOCK_MONOTONIC in microseconds, when the whole request was there. */
  readonly receivedUs: number;
}

/** An endpoint of webhooks on this host's loopback, as a bot would have one. */
export class WebhookEndpoint implements AsyncDisposable {
  readonly events: DeliveredEvent[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<WebhookEndpoint> {
    const server = createServer();
    const endpoint = new WebhookEndpoint(server);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const receivedUs = Number(process.hrtime.bigint()) / 1_000;
        const { type, data } = JSON.parse(Buffer.concat(chunks).toString()) as DeliveredEvent;
        endpoint.events.push({ type, data, receivedUs });
        response.writeHead(204).end();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return endpoint;
  }

  /** What a control plane needs to be allowed to deliver here. */
  static readonly environment = {
    SYNSCOPE_WEBHOOK_ALLOW_HTTP: 'true',
    SYNSCOPE_WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
  };

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('it does not listen');
    return `http://127.0.0.1:${address.port}/synscope`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
