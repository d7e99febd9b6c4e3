import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type { TestApplication } from './test-application.js';

export interface ReceivedEvent {
  readonly event: string;
  readonly id: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests reach into events of every kind
  readonly data: any;
}

/** A client of a stream of Server-Sent Events that takes what comes only when it is asked for. */
export class EventReader {
  /** Of the last event or heartbeat, as a browser keeps it. */
  lastEventId = '';
  /** Everything that was read, but for comments. */
  readonly received: ReceivedEvent[] = [];
  readonly #parts: AsyncIterator<string>;
  #text = '';

  private constructor(readonly response: IncomingMessage) {
    this.#parts = response.setEncoding('utf8')[Symbol.asyncIterator]();
  }

  static async open(
    application: TestApplication,
    path: string,
    {
      headers = {},
      token = application.adminToken,
    }: { headers?: Record<string, string>; token?: string } = {},
  ): Promise<EventReader> {
    const request = get(`${application.baseUrl}/api/v1${path}`, {
      agent: false,
      headers: { authorization: `Bearer ${token}`, ...headers },
    });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return new EventReader(response);
  }

  /** The next event; null at the end of the stream. Rejects if it breaks off. */
  async next(): Promise<ReceivedEvent | null> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end >= 0) {
        const event = this.#take(this.#text.slice(0, end));
        this.#text = this.#text.slice(end + 2);
        if (event) return event;
        continue;
      }
      const part = await this.#parts.next();
      if (part.done) return null;
      this.#text += part.value;
    }
  }

  /** The next event with one of these names. */
  async nextOf(...names: string[]): Promise<ReceivedEvent> {
    for (;;) {
      const event = await this.next();
      if (!event) throw new Error(`the stream has ended, and no ${names.join(', ')} was in it`);
      if (names.includes(event.event)) return event;
    }
  }

  /** Everything to the end of the stream. */
  async rest(): Promise<ReceivedEvent[]> {
    const events: ReceivedEvent[] = [];
    for (let event = await this.next(); event; event = await this.next()) events.push(event);
    return events;
  }

  /** Leaves without a word. */
  leave(): void {
    this.response.destroy();
  }

  #take(block: string): ReceivedEvent | null {
    const fields = new Map<string, string>();
    for (const line of block.split('\n')) {
      const [, name = '', value = ''] = /^(\w*): ?(.*)$/.exec(line) ?? [];
      if (name) fields.set(name, value);
    }
    this.lastEventId = fields.get('id') ?? this.lastEventId;
    const data = fields.get('data');
    if (data === undefined) return null;
    const event = { event: fields.get('event') ?? 'message', id: this.lastEventId, data: JSON.parse(data) };
    this.received.push(event);
    return event;
  }
}
