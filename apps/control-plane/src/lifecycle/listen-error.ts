import { formatListenAddress, type ListenAddress } from '../config/value-schemas.js';
import { StartupError } from './startup-error.js';

/** Says what a failed bind means. `variable` is the one that set the address. Also for errors that carry the code in their text only. */
export function listenError(error: unknown, variable: string, address: ListenAddress): Error {
  const text =
    error instanceof Error ? `${'code' in error ? error.code : ''} ${error.message}` : String(error);
  const where = `${variable}=${formatListenAddress(address)}`;
  if (/EADDRINUSE|address already in use/i.test(text)) {
    return new StartupError(
      `${where}: the port is taken, most likely by another Synscope control plane that still runs ` +
        `(\`ss -ltnp 'sport = :${address.port}'\` shows it). Stop it, or set ${variable} to a free port`,
    );
  }
  if (/EACCES|permission denied/i.test(text)) {
    return new StartupError(`${where}: this user may not listen there; set ${variable} to a port above 1023`);
  }
  if (/EADDRNOTAVAIL|ENOTFOUND|EAI_AGAIN|cannot assign/i.test(text)) {
    return new StartupError(
      `${where}: this host has no such address; set ${variable} to one that it has, such as 127.0.0.1:${address.port}`,
    );
  }
  return error instanceof Error ? error : new Error(text);
}
