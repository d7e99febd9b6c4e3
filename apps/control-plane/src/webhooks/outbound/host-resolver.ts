import { type LookupAddress, lookup } from 'node:dns';
import { Injectable } from '@nestjs/common';

/** The names of hosts as this host resolves them. */
@Injectable()
export class HostResolver {
  resolve(
    hostname: string,
    callback: (error: Error | null, addresses: readonly LookupAddress[]) => void,
  ): void {
    lookup(hostname, { all: true, order: 'verbatim' }, (error, addresses) => callback(error, addresses));
  }
}
