import type { WriteStream } from 'node:tty';
import { type Destination, ReaderGone } from './surroundings.js';

/** Standard output or standard error. Whether it has colours, Node knows: NO_COLOR, FORCE_COLOR and TERM are heeded. */
export function streamDestination(stream: NodeJS.WriteStream): Destination {
  // A failed write is told to its callback; without a listener it would end the process as well.
  stream.on('error', () => undefined);
  const terminal: WriteStream | undefined = stream.isTTY ? (stream as WriteStream) : undefined;
  return {
    write: (text) =>
      new Promise((resolve, reject) => {
        stream.write(text, (error) => {
          if (!error) resolve();
          else reject(Reflect.get(error, 'code') === 'EPIPE' ? new ReaderGone('EPIPE') : error);
        });
      }),
    isTerminal: terminal !== undefined,
    hasColors: terminal?.hasColors() ?? false,
    get columns() {
      return terminal?.columns;
    },
  };
}
