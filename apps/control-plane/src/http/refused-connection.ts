import type { Socket } from 'node:net';
import { ApiError } from '../errors/api-error.js';

const LINGER_MS = 1_000;

/** What Node's parser refuses before there is a request (https://nodejs.org/api/http.html#event-clienterror), answered as a problem like all else. */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  // The caller is gone.
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = toRefusal(error.code).toProblem();
  const body = JSON.stringify(problem);
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${problem.title.replaceAll(/[^ -~]/g, '')}`,
      'content-type: application/problem+json',
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
  // Closing on what has not been read yet would reset the connection, and the caller could miss the answer; but nobody may hold it open.
  socket.resume();
  const end = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(end));
}

function toRefusal(code: string | undefined): ApiError {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ApiError('request_timeout', 'The request did not arrive in time');
    case 'HPE_HEADER_OVERFLOW':
      return new ApiError(
        'headers_too_large',
        'The address and the headers take more than 16 KiB together; name fewer values in the query',
      );
    case 'HPE_INVALID_URL':
      return new ApiError(
        'invalid_request',
        'The address holds characters that have to be %-escaped, such as letters beyond ASCII or spaces (curl: -G --data-urlencode)',
      );
    default:
      return new ApiError('invalid_request', 'This is not a request in HTTP/1.1');
  }
}
