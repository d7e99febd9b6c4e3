import { Global, Injectable, Module } from '@nestjs/common';
import type { ListenAddress } from '../config/value-schemas.js';

/** Where the servers listen in the end; a configured port 0 is known only then. */
@Injectable()
export class BoundAddresses {
  http: ListenAddress | null = null;
  /** Set by the gRPC server once it is bound. */
  grpc: ListenAddress | null = null;
}

@Global()
@Module({ providers: [BoundAddresses], exports: [BoundAddresses] })
export class BoundAddressesModule {}
