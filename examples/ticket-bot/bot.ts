import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Webhook } from 'standardwebhooks';
import type { FindingEvent } from './finding.ts';
import type { Tickets } from './tickets.ts';
import { TrackerError } from './tracker.ts';

const MOST_BODY_BYTES = 1_048_576;

/** The server that Synscope posts to. */
export function createBot(secret: string, tickets: Tickets): Server {
  const webhook = new Webhook(secret);
  return createServer((request, response) => {
    handle(webhook, tickets, request, response).catch((error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
      // Not done: Synscope sends it again, later if the tracker said so.
      const retryAfter = error instanceof TrackerError ? error.retryAfter : null;
      response.writeHead(503, retryAfter === null ? {} : { 'retry-after': retryAfter }).end();
    });
  });
}

async function handle(
  webhook: Webhook,
  tickets: Tickets,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readBody(request);
  if (body === null) return void response.writeHead(413, { connection: 'close' }).end();
  const event = verified(webhook, body, request);
  if (event === null) return void response.writeHead(401).end();
  // Of what a webhook can tell, findings have tickets. A test event is answered like the others.
  if (event.type.startsWith('finding.')) await tickets.apply(event);
  response.writeHead(204).end();
}

/** Null if it is not signed with the secret, or not of these five minutes. */
function verified(webhook: Webhook, body: string, { headers }: IncomingMessage): FindingEvent | null {
  try {
    return webhook.verify(body, headers as Record<string, string>) as FindingEvent;
  } catch {
    return null;
  }
}

async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MOST_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
