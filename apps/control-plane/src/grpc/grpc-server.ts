import {
  experimental,
  Server,
  type ServiceDefinition,
  setLogger,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { CertificateAuthorityService } from '../certificate-authority/certificate-authority.service.js';
import { ServerIdentity, serverNames } from '../certificate-authority/server-identity.js';
import { Configuration } from '../config/configuration.js';
import { formatListenAddress } from '../config/value-schemas.js';
import { BoundAddresses } from '../lifecycle/bound-addresses.js';
import { listenError } from '../lifecycle/listen-error.js';

/** A batch of 4,096 records with the longest names of processes and containers is below 1 MiB. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/** An agent uses one stream; a few more let an old one end while its successor begins. */
const MAX_STREAMS_PER_CONNECTION = 8;

/** A dead peer behind a middlebox is noticed within the sum of both. */
const KEEPALIVE_INTERVAL_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;

/** A gRPC service that this server offers. */
export interface GrpcService {
  readonly definition: ServiceDefinition<UntypedServiceImplementation>;
  readonly implementation: UntypedServiceImplementation;
  /** Told at the shutdown, so that calls without an end of their own come to one. */
  readonly drain?: () => void;
}

/**
 * The one port for agents. A client certificate is asked for and not demanded, because enrolment comes without: a service that needs one
 * looks at `call.getAuthContext()`, which is empty unless the certificate was verified against our authority.
 */
@Injectable()
export class GrpcServer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('GrpcServer');
  private readonly services: GrpcService[] = [];
  private readonly server = new Server({
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_concurrent_streams': MAX_STREAMS_PER_CONNECTION,
    'grpc.keepalive_time_ms': KEEPALIVE_INTERVAL_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  });
  private identity: ServerIdentity | null = null;

  constructor(
    private readonly configuration: Configuration,
    private readonly certificates: CertificateAuthorityService,
    private readonly bound: BoundAddresses,
  ) {
    // grpc-js writes to the console by itself, about things that we report in our own words.
    const debug = (...words: readonly unknown[]) => this.logger.debug(words.join(' '));
    setLogger({ error: debug, info: debug, debug });
  }

  /** Before the application has started: afterwards nobody would be listening to the new service's calls. */
  register(service: GrpcService): void {
    this.services.push(service);
    this.server.addService(service.definition, service.implementation);
  }

  async onApplicationBootstrap(): Promise<void> {
    const { grpcAddress, grpcNames } = this.configuration;
    this.identity = await ServerIdentity.create(
      this.certificates.authority,
      serverNames(grpcAddress.host, grpcNames),
    );
    const credentials = experimental.createCertificateProviderServerCredentials(
      this.identity,
      this.identity,
      false,
    );
    const address = formatListenAddress(grpcAddress);
    const port = await new Promise<number>((resolve, reject) => {
      this.server.bindAsync(address, credentials, (error, port) => {
        if (error) reject(listenError(error, 'SYNSCOPE_GRPC_ADDR', grpcAddress));
        else resolve(port);
      });
    });
    this.bound.grpc = { host: grpcAddress.host, port };
    this.logger.log(`agents connect to ${formatListenAddress(this.bound.grpc)}`);
  }

  async beforeApplicationShutdown(): Promise<void> {
    for (const service of this.services) service.drain?.();
    const deadline = setTimeout(
      () => this.server.forceShutdown(),
      this.configuration.shutdownTimeoutSeconds * 1_000,
    );
    await new Promise<void>((resolve) => {
      this.server.tryShutdown((error) => {
        if (error) this.logger.warn(`the gRPC server did not shut down in order: ${error.message}`);
        resolve();
      });
    });
    clearTimeout(deadline);
    this.identity?.close();
  }
}
