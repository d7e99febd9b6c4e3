import { AgentError } from '../agent-error.js';
import { parseServerAddress, type ServerAddress } from './server-address.js';

/** More would be a list of hosts, not of replicas. */
const MOST_ADDRESSES = 32;

/** Addresses separated by commas. Throws AgentError `bad_usage`. */
export function parseServerAddresses(text: string): readonly ServerAddress[] {
  const addresses = text.split(',').map(parseServerAddress);
  if (addresses.length > MOST_ADDRESSES) {
    throw new AgentError(
      'bad_usage',
      `server names ${addresses.length} addresses, at most ${MOST_ADDRESSES} are taken: give the replicas one name, or a load balancer`,
    );
  }
  return addresses;
}

/** The replicas of the control plane, one of which is in use. Begins at any of them, so that a fleet spreads over all. */
export class ServerAddresses {
  private index: number;

  /** At least one address. `random`: 0 ≤ x < 1. */
  constructor(
    private readonly addresses: readonly ServerAddress[],
    random: () => number = Math.random,
  ) {
    this.index = Math.floor(random() * addresses.length);
  }

  get current(): ServerAddress {
    const address = this.addresses[this.index];
    if (address === undefined) throw new RangeError('a control plane has at least one address');
    return address;
  }

  /** The one in use does not answer, or has let go: the next one is tried. */
  advance(): void {
    this.index = (this.index + 1) % this.addresses.length;
  }
}
