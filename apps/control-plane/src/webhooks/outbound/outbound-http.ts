import type { LookupAddress } from 'node:dns';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { isIP, type LookupFunction, type Socket } from 'node:net';
import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { Configuration } from '../../config/configuration.js';
import { refusalOf } from './address-policy.js';
import { HostResolver } from './host-resolver.js';
import { OutboundRefusedError } from './outbound-refused.error.js';

/** As much of an answer's body is kept, for the log. */
export const KEPT_BODY_BYTES = 1_024;

/** An answer with a longer body is cut off: what it says is in its status. */
const MOST_BODY_BYTES = 16_384;

/** How long the body may take after the head, milliseconds. */
const BODY_TIME_MS = 2_000;

/** Less than the five seconds after which many servers close idle connections. Milliseconds. */
const IDLE_CONNECTION_MS = 4_000;

export interface OutboundRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface OutboundAnswer {
  readonly status: number;
  /** To the head of the answer, in microseconds. */
  readonly latencyUs: number;
  readonly location: string | undefined;
  readonly retryAfter: string | undefined;
  readonly date: string | undefined;
  /** The begin of the body. */
  readonly body: Buffer;
}

/**
 * Requests to addresses that strangers may have chosen. Whether an address may be reached is decided where the connection is made, on the
 * very address that it is made to: a name that resolves to something else the next time gains nothing, and redirects are not followed.
 */
@Injectable()
export class OutboundHttp implements BeforeApplicationShutdown {
  private readonly agents: { readonly 'http:': http.Agent; readonly 'https:': https.Agent };

  constructor(
    private readonly configuration: Configuration,
    private readonly resolver: HostResolver,
  ) {
    const options = {
      keepAlive: true,
      maxFreeSockets: 4,
      timeout: IDLE_CONNECTION_MS,
      lookup: this.lookup,
    };
    this.agents = { 'http:': new http.Agent(options), 'https:': new https.Agent(options) };
  }

  /** Requests under way have been waited for. */
  beforeApplicationShutdown(): void {
    this.agents['http:'].destroy();
    this.agents['https:'].destroy();
  }

  /** Why nothing can be sent to a URL, whatever its name resolves to; null if it may be possible. */
  refusalOf(url: URL): string | null {
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && this.configuration.webhookAllowHttp))
      return 'it is not HTTPS; SYNSCOPE_WEBHOOK_ALLOW_HTTP=true would allow that';
    const host = hostOf(url);
    return isIP(host) === 0 ? null : this.addressRefusal(host);
  }

  /** Throws OutboundRefusedError, or whatever went wrong on the way. */
  async post(request: OutboundRequest, signal: AbortSignal): Promise<OutboundAnswer> {
    const url = new URL(request.url);
    const refusal = this.refusalOf(url);
    if (refusal !== null) throw new OutboundRefusedError(refusal);
    for (;;) {
      const attempt = new Attempt(url, request, this.agents, (socket) => this.check(socket));
      try {
        return await attempt.run(signal);
      } catch (error) {
        // The server closed an idle connection just as it was used again, and has not seen the request:
        // https://nodejs.org/api/http.html#requestreusedsocket
        if (attempt.onReusedConnection && isReset(error) && !signal.aborted) continue;
        throw error;
      }
    }
  }

  private addressRefusal(address: string): string | null {
    const refusal = refusalOf(address, this.configuration.webhookAllowedNetworks);
    return refusal && `${refusal}; SYNSCOPE_WEBHOOK_ALLOWED_NETWORKS could allow it`;
  }

  /** For net.connect: it connects to nothing but what this gives. */
  private readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.resolver.resolve(hostname, (error, addresses) => {
      if (error) return callback(error, []);
      const refusals = addresses.map(({ address }) => this.addressRefusal(address));
      const allowed: LookupAddress[] = addresses.filter((_, index) => refusals[index] === null);
      const [first] = allowed;
      if (first === undefined)
        return callback(new OutboundRefusedError(`${hostname}: ${refusals[0] ?? 'it has no address'}`), []);
      if (options.all) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };

  /** Once more, on what was connected to in the end. */
  private check(socket: Socket): OutboundRefusedError | null {
    const refusal = this.addressRefusal(socket.remoteAddress ?? '');
    return refusal === null ? null : new OutboundRefusedError(refusal);
  }
}

/** One request on one connection. */
class Attempt {
  onReusedConnection = false;

  constructor(
    private readonly url: URL,
    private readonly request: OutboundRequest,
    private readonly agents: { readonly 'http:': http.Agent; readonly 'https:': https.Agent },
    private readonly check: (socket: Socket) => Error | null,
  ) {}

  run(signal: AbortSignal): Promise<OutboundAnswer> {
    return new Promise((resolve, reject) => {
      const startedAt = process.hrtime.bigint();
      const isTls = this.url.protocol === 'https:';
      const { headers, body } = this.request;
      const options = {
        method: 'POST',
        headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
        signal,
      };
      const request = isTls
        ? https.request(this.url, { ...options, agent: this.agents['https:'] })
        : http.request(this.url, { ...options, agent: this.agents['http:'] });
      request.on('error', reject);
      request.on('socket', (socket) => {
        this.onReusedConnection = request.reusedSocket;
        // Nothing is written before: the request is sent when the connection stands and this has agreed.
        const send = () => {
          const refusal = this.check(socket);
          if (refusal === null) request.end(body);
          else request.destroy(refusal);
        };
        if (request.reusedSocket) send();
        else socket.once(isTls ? 'secureConnect' : 'connect', send);
      });
      request.on('response', (response) => {
        const latencyUs = Number((process.hrtime.bigint() - startedAt) / 1_000n);
        readBegin(response).then(
          (begin) => resolve({ ...headOf(response), latencyUs, body: begin }),
          // It has answered; that its body broke off changes nothing.
          () => resolve({ ...headOf(response), latencyUs, body: Buffer.alloc(0) }),
        );
      });
    });
  }
}

function headOf({ statusCode = 0, headers }: IncomingMessage) {
  return {
    status: statusCode,
    location: headers.location,
    retryAfter: headers['retry-after'],
    date: headers.date,
  };
}

/** Ends the connection with an answer that is long or slow; one that was read to its end can be used again. */
async function readBegin(response: IncomingMessage): Promise<Buffer> {
  const kept: Buffer[] = [];
  let length = 0;
  const timer = setTimeout(() => response.destroy(), BODY_TIME_MS);
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      if (length < KEPT_BODY_BYTES) kept.push(chunk.subarray(0, KEPT_BODY_BYTES - length));
      length += chunk.length;
      if (length > MOST_BODY_BYTES) break;
    }
  } catch {
    // Cut by us, or by the other side: what came counts.
  } finally {
    clearTimeout(timer);
    if (!response.complete) response.destroy();
  }
  return Buffer.concat(kept);
}

function hostOf({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

function isReset(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
}
