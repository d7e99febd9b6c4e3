import { AgentError } from '../agent-error.js';

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s/[\]]+)):(\d{1,5})$/;

/** HOST:PORT, or [ADDRESS]:PORT for IPv6. Throws AgentError `bad_usage`. */
export function parseServerAddress(text: string): ServerAddress {
  const [, bracketed, plain, portText] = ADDRESS.exec(text.trim()) ?? [];
  const host = bracketed ?? plain;
  const port = Number(portText);
  if (host === undefined || !(port >= 1 && port <= 65535)) {
    throw new AgentError(
      'bad_usage',
      `server must be HOST:PORT or [IPV6]:PORT, such as control.example.com:9443; it is ${JSON.stringify(text)}`,
    );
  }
  return { host, port };
}

/** As gRPC wants its targets. */
export function grpcTarget({ host, port }: ServerAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
