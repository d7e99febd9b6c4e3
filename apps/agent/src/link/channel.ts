import { isIP } from 'node:net';
import type { ChannelOptions, VerifyOptions } from '@grpc/grpc-js';
import type { ServerAddress } from '../identity/server-address.js';

/** How long silence on the connection is borne before it is probed, and then until it counts as dead; milliseconds. */
const KEEPALIVE_TIME_MS = 20_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;

const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  // A connection of its own for each attempt: the backoff is ours, not that of a pool shared between attempts.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  // The pinned CA ends at the control plane; a proxy between would break it, and HTTPS_PROXY is not meant for this.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
};

/**
 * The name in the server's certificate is not compared with the address that it was reached by. Trusted is one private CA alone, which
 * issues certificates for servers (extended key usage, checked by TLS) only to the control plane, so that its replicas may be reached under
 * any name or address.
 */
export const PINNED_CA_ONLY: VerifyOptions = { checkServerIdentity: () => undefined };

export function channelOptions({ host }: ServerAddress): ChannelOptions {
  // TLS names no IP addresses (RFC 6066 §3); grpc-js would.
  return isIP(host) === 0
    ? CHANNEL_OPTIONS
    : { ...CHANNEL_OPTIONS, 'grpc.ssl_target_name_override': 'control-plane.synscope.invalid' };
}
