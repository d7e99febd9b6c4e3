import { Failure } from './failure.mjs';

/**
 * One call of the control plane's REST API.
 * @param {string} url Its base address.
 * @param {string} token
 * @param {'GET' | 'POST' | 'DELETE'} method
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
export async function callApi(url, token, method, path, body) {
  const response = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok)
    throw new Failure(`${method} ${path} was answered ${response.status}: ${await response.text()}`);
  return response.status === 204 ? undefined : response.json();
}
