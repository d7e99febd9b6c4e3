import { X509Certificate } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import {
  type Certificate,
  EnrolmentService,
  type EnrolRequest,
  EnrolRequestSchema,
  type EnrolResponse,
  grpcMethodDefinition,
} from '@synscope/protocol';
import { AgentError } from '../agent-error.js';
import { Backoff } from '../backoff.js';
import type { Clock } from '../clock.js';
import { channelOptions, PINNED_CA_ONLY } from '../link/channel.js';
import type { Log } from '../log.js';
import type { Identity, IdentityStore } from './identity-store.js';
import type { JoinToken } from './join-token.js';
import { fetchPinnedAuthority, ServerUnreachable } from './pinned-authority.js';
import { grpcTarget, type ServerAddress } from './server-address.js';
import type { ServerAddresses } from './server-addresses.js';
import { createSigningRequest } from './signing-request.js';

export interface EnrolmentOrder {
  readonly servers: ServerAddresses;
  readonly token: JoinToken;
  readonly hostname: string;
  readonly labels: Readonly<Record<string, string>>;
}

const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 30_000;
const CALL_MAX_MS = 15_000;

/**
 * Buys a certificate with the join token and stores it. Goes on trying while nobody answers; throws AgentError on an answer that another try
 * would not change.
 */
export async function enrol(
  order: EnrolmentOrder,
  store: IdentityStore,
  clock: Clock,
  log: Log,
): Promise<Identity> {
  const backoff = new Backoff(RETRY_FIRST_MS, RETRY_MAX_MS);
  for (;;) {
    try {
      return await enrolOnce(order, store, log);
    } catch (error) {
      if (!(error instanceof ServerUnreachable)) throw error;
      order.servers.advance();
      const delayMs = Math.round(backoff.nextWithFullJitterMs());
      log.warn({ reason: error.message, retryInMs: delayMs }, 'could not enrol yet');
      await new Promise<void>((resolve) => clock.after(delayMs, resolve));
    }
  }
}

async function enrolOnce(order: EnrolmentOrder, store: IdentityStore, log: Log): Promise<Identity> {
  const server = order.servers.current;
  const authority = await fetchPinnedAuthority(server, order.token.pin);
  const previous = store.load();
  const privateKey = store.enrolmentKey();
  const request = create(EnrolRequestSchema, {
    joinToken: order.token.secret,
    certificateSigningRequest: createSigningRequest(privateKey),
    hostname: order.hostname,
    labels: { ...order.labels },
    agentId: Buffer.from(previous?.agentId ?? '', 'hex'),
  });
  const response = await call(server, authority, request);
  const identity = identityOf(response.agentId, response.certificate, privateKey);
  store.save(identity);
  log.info({ agentId: identity.agentId, expires: expiryOf(identity).toISOString() }, 'enrolled');
  return identity;
}

function call(server: ServerAddress, authority: string, request: EnrolRequest): Promise<EnrolResponse> {
  const client = new Client(
    grpcTarget(server),
    credentials.createSsl(Buffer.from(authority), null, null, PINNED_CA_ONLY),
    channelOptions(server),
  );
  const method = grpcMethodDefinition(EnrolmentService.method.enrol);
  return new Promise<EnrolResponse>((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      { deadline: Date.now() + CALL_MAX_MS },
      (error, response) => {
        if (error) reject(enrolmentError(error));
        else if (response) resolve(response);
      },
    );
  }).finally(() => client.close());
}

function enrolmentError(error: ServiceError): Error {
  switch (error.code) {
    case status.UNAUTHENTICATED:
      return new AgentError(
        'token_refused',
        `the control plane refused the join token: ${error.details}. Make a new one: POST /api/v1/join-tokens`,
      );
    case status.INVALID_ARGUMENT:
    case status.PERMISSION_DENIED:
    case status.UNIMPLEMENTED:
      return new AgentError(
        'enrolment_refused',
        `the control plane refused to enrol this host: ${error.details}`,
      );
    // UNAVAILABLE, RESOURCE_EXHAUSTED (too many attempts), or trouble of its own: another try may do.
    default:
      return new ServerUnreachable(error.details);
  }
}

/** Throws AgentError if the control plane's answer lacks something. */
export function identityOf(
  agentId: Uint8Array,
  certificate: Certificate | undefined,
  privateKey: string,
): Identity {
  if (agentId.length !== 16 || certificate === undefined || certificate.certificateAuthorities.length === 0) {
    throw new AgentError(
      'enrolment_refused',
      'the control plane answered without an identity or a certificate',
    );
  }
  return {
    agentId: Buffer.from(agentId).toString('hex'),
    certificate: new X509Certificate(certificate.leaf).toString(),
    certificateAuthorities: certificate.certificateAuthorities.map((der) =>
      new X509Certificate(der).toString(),
    ),
    privateKey,
  };
}

export function expiryOf(identity: Identity): Date {
  return new Date(new X509Certificate(identity.certificate).validTo);
}

/** When a successor is to be asked for: at 2/3 of the certificate's life. */
export function renewalOf(identity: Identity): Date {
  const { validFrom, validTo } = new X509Certificate(identity.certificate);
  const from = Date.parse(validFrom);
  return new Date(from + ((Date.parse(validTo) - from) * 2) / 3);
}
