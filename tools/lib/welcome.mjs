import { join } from 'node:path';

/**
 * The last words of a start: where everything is, and two lines to paste.
 * @param {object} options
 * @param {string} options.dataDir
 * @param {string} options.url
 * @param {string} options.agent What the agent of this host does, or why there is none.
 * @returns {string}
 */
export function welcome({ dataDir, url, agent }) {
  const tokenFile = join(dataDir, 'admin-token');
  const curl = `curl -sS -H "Authorization: Bearer $(cat ${quoted(tokenFile)})"`;
  const session = JSON.stringify({ name: 'first light', probes: ['tcp_handshake'], durationSeconds: 60 });
  return `
Synscope is ready.
  REST API     ${url}/api/v1   (docs: ${url}/api/docs)
  Admin token  ${tokenFile}
  Local agent  ${agent}
  Logs         ${join(dataDir, 'logs')}

Trace all TCP handshakes for 60 seconds:
  ${curl} -H 'Content-Type: application/json' -d '${session}' '${url}/api/v1/trace-sessions?wait=10s'

Show the slowest handshakes of the last hour:
  ${curl} '${url}/api/v1/handshakes?since=1h&order=-latencyUs&limit=10'

Ctrl-C stops it.`;
}

/**
 * For a shell, within double quotes' $(…).
 * @param {string} path
 */
const quoted = (path) => (/^[\w./@%+,:=-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`);
