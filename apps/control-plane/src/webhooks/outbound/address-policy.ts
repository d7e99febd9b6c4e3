import ipaddr from 'ipaddr.js';

type AddressPrefix = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

/** What is given out for the public Internet: https://www.iana.org/assignments/ipv6-unicast-address-assignments */
const GLOBAL_IPV6: AddressPrefix = [ipaddr.IPv6.parse('2000::'), 3];

/** What each kind of address is called in an error. */
const RANGE_NAMES: Readonly<Record<string, string>> = {
  ipv4Mapped: 'an IPv4 address written as IPv6',
  rfc6052: 'a NAT64 address, which stands for an IPv4 one',
  rfc6145: 'an address of IPv4/IPv6 translation',
  '6to4': 'a 6to4 address, which stands for an IPv4 one',
  teredo: 'a Teredo address, which stands for an IPv4 one',
  linkLocal: 'a link-local address',
  uniqueLocal: 'a private address (ULA)',
  private: 'a private address',
  loopback: 'a loopback address',
  unspecified: 'the unspecified address',
  multicast: 'a multicast address',
  broadcast: 'the broadcast address',
  carrierGradeNat: 'a shared address of carrier-grade NAT',
};

/** Why nothing may be sent to an address; null if it may. What is not known to be public is refused. `allowed`: addresses and prefixes. */
export function refusalOf(address: string, allowed: readonly string[]): string | null {
  // A zone such as %eth0 makes it link-local anyhow.
  if (!ipaddr.isValid(address)) return `${address} is no address`;
  const parsed = ipaddr.parse(address);
  if (allowed.some((text) => contains(readPrefix(text), parsed))) return null;
  const range = parsed.range();
  const isPublic = range === 'unicast' && (parsed.kind() === 'ipv4' || contains(GLOBAL_IPV6, parsed));
  return isPublic ? null : `${address} is ${RANGE_NAMES[range] ?? 'a reserved address'}`;
}

function contains([network, length]: AddressPrefix, address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return network.kind() === address.kind() && address.match(network, length);
}

function readPrefix(text: string): AddressPrefix {
  const [address = '', length] = text.split('/');
  const network = ipaddr.parse(address);
  return [network, length === undefined ? network.toByteArray().length * 8 : Number(length)];
}
