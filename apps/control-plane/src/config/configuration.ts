import { resolve } from 'node:path';
import { z } from 'zod';
import {
  addressListSchema,
  booleanSchema,
  durationSecondsSchema,
  hostNamesSchema,
  integerSchema,
  type ListenAddress,
  listenAddressSchema,
  postgresUrlSchema,
} from './value-schemas.js';
import { readVariables, Variable, variablesOf } from './variable.js';

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;

/** Every setting of the control plane, read from the environment once at the start. docs/configuration.md is made from it. */
export class Configuration {
  @Variable('SYNSCOPE_HTTP_ADDR', listenAddressSchema, {
    default: '127.0.0.1:8080',
    description:
      'Where the REST API listens: `HOST:PORT`, `[IPv6]:PORT`, or `:PORT` for all addresses. Port 0 takes any free port.',
  })
  readonly httpAddress!: ListenAddress;

  @Variable('SYNSCOPE_GRPC_ADDR', listenAddressSchema, {
    default: '127.0.0.1:9443',
    description: 'Where agents connect (gRPC over mutual TLS), written as SYNSCOPE_HTTP_ADDR.',
  })
  readonly grpcAddress!: ListenAddress;

  @Variable('SYNSCOPE_GRPC_NAMES', hostNamesSchema, {
    default: 'localhost',
    description:
      'Further names and addresses that agents may use for this control plane, separated by commas, such as a load balancer’s. They go into the certificate of the gRPC server beside SYNSCOPE_GRPC_ADDR, this host’s name and loopback.',
    example: 'synscope.example.com,192.0.2.10',
  })
  readonly grpcNames!: readonly string[];

  @Variable('SYNSCOPE_AGENT_HEARTBEAT', durationSecondsSchema(1, 300), {
    default: '10s',
    description:
      'How often each agent reports that it is alive. After three silent intervals it counts as offline.',
  })
  readonly agentHeartbeatSeconds!: number;

  @Variable('SYNSCOPE_AGENT_LEASE', durationSecondsSchema(3, 3_600), {
    default: '60s',
    description:
      'An agent that has heard nothing from a control plane for this long ends its sessions by itself. Longer than SYNSCOPE_AGENT_HEARTBEAT.',
  })
  readonly agentLeaseSeconds!: number;

  @Variable('SYNSCOPE_MAX_OPEN_SESSIONS', z.coerce.number().int().min(1).max(1_000_000), {
    default: '1000',
    description:
      'Trace sessions that may be open at the same time, on all replicas together; one more is answered 429. Each agent runs 64 of them at most, whatever this says.',
  })
  readonly maxOpenSessions!: number;

  @Variable(
    'SYNSCOPE_DATA_DIR',
    z.string().transform((path) => resolve(path)),
    {
      default: '.data',
      description:
        'Folder for what is kept outside the database: the first admin token and, for `npm start`, the embedded Postgres.',
    },
  )
  readonly dataDirectory!: string;

  @Variable('DATABASE_URL', postgresUrlSchema, {
    description:
      'The Postgres database, version 15 or newer; from 17 on it answers some filters from an index that older ones sort for. `npm start` fills it in with an embedded Postgres if it is unset.',
    secret: true,
    example: 'postgres://synscope:secret@127.0.0.1:5432/synscope',
    fix: 'Set it to a database, such as DATABASE_URL=postgres://synscope:secret@127.0.0.1:5432/synscope, or start with `npm start`, which brings its own Postgres',
  })
  readonly databaseUrl!: string;

  @Variable('SYNSCOPE_DATABASE_POOL_SIZE', integerSchema(2, 200), {
    default: '10',
    description: 'Connections for queries at most, besides five for control tables.',
  })
  readonly databasePoolSize!: number;

  @Variable('SYNSCOPE_DATABASE_WAIT', durationSecondsSchema(0, 600), {
    default: '15s',
    description: 'How long a start waits for a database that does not answer before it gives up.',
  })
  readonly databaseWaitSeconds!: number;

  @Variable('SYNSCOPE_DATABASE_QUERY_TIMEOUT', durationSecondsSchema(1, 3_600), {
    default: '60s',
    description: 'Postgres cancels a query of the REST API that runs longer.',
  })
  readonly databaseQueryTimeoutSeconds!: number;

  @Variable('SYNSCOPE_LOG_LEVEL', z.enum(LOG_LEVELS, `expected one of ${LOG_LEVELS.join(', ')}`), {
    default: 'info',
    description:
      'Least level that is logged: trace, debug, info, warn or error. Requests that succeed are logged at debug.',
  })
  readonly logLevel!: (typeof LOG_LEVELS)[number];

  @Variable('SYNSCOPE_HTTP_BODY_LIMIT_BYTES', integerSchema(1_024, 104_857_600), {
    default: '1048576',
    description: 'Largest request body that the REST API takes, in bytes.',
  })
  readonly httpBodyLimitBytes!: number;

  @Variable('SYNSCOPE_RATE_LIMIT_PER_MINUTE', integerSchema(0, 10_000_000), {
    default: '6000',
    description:
      'Requests that each API token may make of a replica per minute, also all at once; above it they are answered 429 with Retry-After. Of an export each 1,000 items count as a request. 0 for no limit.',
  })
  readonly rateLimitPerMinute!: number;

  @Variable('SYNSCOPE_FAILED_AUTHENTICATIONS_PER_MINUTE', integerSchema(0, 10_000_000), {
    default: '100',
    description:
      'Requests with tokens that do not work that each address (of IPv6 each /64) may make of a replica per minute. Above it they are answered 429 without a look at the database; tokens that worked before go on. 0 for no limit.',
  })
  readonly failedAuthenticationsPerMinute!: number;

  @Variable('SYNSCOPE_TRUSTED_PROXIES', addressListSchema, {
    default: 'none',
    description:
      'Addresses and prefixes of proxies in front of the REST API, separated by commas. Of their requests the address of the client is taken from X-Forwarded-For; anybody else’s X-Forwarded-For is ignored.',
    example: '10.0.0.0/8,192.0.2.10',
  })
  readonly trustedProxies!: readonly string[];

  @Variable('SYNSCOPE_SHUTDOWN_TIMEOUT', durationSecondsSchema(1, 600), {
    default: '10s',
    description: 'How long a shutdown waits for requests and streams under way before it cuts them.',
  })
  readonly shutdownTimeoutSeconds!: number;

  @Variable('SYNSCOPE_BOOTSTRAP_ADMIN_TOKEN', booleanSchema, {
    default: 'true',
    description:
      'Whether a start writes `<data dir>/admin-token` when there is none that works. Set it to false once you have tokens of your own.',
  })
  readonly bootstrapAdminToken!: boolean;

  @Variable('SYNSCOPE_RECORD_RETENTION', durationSecondsSchema(3_600, 3_650 * 86_400), {
    default: '7d',
    description:
      'How long records are kept. Older ones are dropped by the hour, and refused from agents that were away for longer.',
  })
  readonly recordRetentionSeconds!: number;

  @Variable('SYNSCOPE_RECORD_STORAGE_BYTES', integerSchema(0, 999_999_999_999_999), {
    default: '0',
    description:
      'What the record tables and their indexes may take together, in bytes, looked at every minute. Above it the oldest hours are dropped, of all kinds of records at once, and refused from agents that were away; never the present hour. 0 for no limit but SYNSCOPE_RECORD_RETENTION.',
    example: '500000000000',
  })
  readonly recordStorageBytes!: number;

  @Variable('SYNSCOPE_INGEST_QUEUE_BYTES', integerSchema(1_048_576, 17_179_869_184), {
    default: '67108864',
    description:
      'Memory for records that wait for their commit, over all agents, in bytes; about 300 per record. Above it agents are made to wait.',
  })
  readonly ingestQueueBytes!: number;

  @Variable('SYNSCOPE_EVENT_STREAMS', integerSchema(0, 10_000), {
    default: '100',
    description:
      'How many streams of live results (`GET /trace-sessions/{id}/events`) a replica serves at a time. Each takes up to 3 MB when it has much to send.',
  })
  readonly eventStreams!: number;

  @Variable('SYNSCOPE_EVENT_BACKLOG', integerSchema(10_000, 1_000_000_000), {
    default: '100000',
    description:
      'A reader of live results for whom more records than this wait goes on with about the newest tenth of them, and is told how many it missed. Counted are all records of the session’s agents.',
  })
  readonly eventBacklog!: number;

  @Variable('SYNSCOPE_FINDING_RESOLVE_AFTER', durationSecondsSchema(5, 604_800), {
    default: '5m',
    description:
      'A finding resolves by itself when no evidence for it has come for this long. Evidence after that opens it again.',
  })
  readonly findingResolveAfterSeconds!: number;

  @Variable('SYNSCOPE_WEBHOOK_ALLOW_HTTP', booleanSchema, {
    default: 'false',
    description:
      'Whether webhooks may be sent without TLS. Their signatures hold without it too, but whoever is on the way can read along.',
  })
  readonly webhookAllowHttp!: boolean;

  @Variable('SYNSCOPE_WEBHOOK_ALLOWED_NETWORKS', addressListSchema, {
    default: 'none',
    description:
      'Addresses and prefixes, separated by commas, that webhooks may be sent to although they are not public: loopback, link-local, private, multicast and the like are refused otherwise, also when a public name leads there.',
    example: '10.20.0.0/16,fd00:20::/32',
  })
  readonly webhookAllowedNetworks!: readonly string[];

  @Variable('SYNSCOPE_WEBHOOK_TIMEOUT', durationSecondsSchema(1, 60), {
    default: '15s',
    description:
      'How long an attempt to deliver a webhook may take, from the look-up of the name to the head of the answer.',
  })
  readonly webhookTimeoutSeconds!: number;

  @Variable('SYNSCOPE_WEBHOOK_RETENTION', durationSecondsSchema(5 * 86_400, 365 * 86_400), {
    default: '14d',
    description:
      'How long events and the log of their deliveries are kept, at least 5d: retries go on for up to four days.',
  })
  readonly webhookRetentionSeconds!: number;

  private constructor(values: Record<string, unknown>) {
    Object.assign(this, values);
  }

  /** Throws a StartupError that names every wrong variable. */
  static fromEnvironment(environment: Readonly<Record<string, string | undefined>>): Configuration {
    return new Configuration(readVariables(variablesOf(Configuration), environment));
  }
}
