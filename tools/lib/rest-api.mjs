import { Failure } from './failure.mjs';

/**
 * One call of the control plane's REST API.
 * @param {string} url Its base address.
 * @param {string} token
 * @param {string} path
 * @param {unknown} body
 * @returns {Promise<any>}
 */
export async function post(url, token, path, body) {
  const response = await fetch(`${url}/api/v1${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok)
    throw new Failure(`POST ${path} was answered ${response.status}: ${await response.text()}`);
  return response.json();
}
