/** Addresses that the server must not reach for others, whatever name resolves to them. */
import { networkInterfaces } from "node:os";
import ipaddr from "ipaddr.js";
import { isMetadataAddress } from "./metadata-address.js";
import { isWithin } from "./networks.js";
import { isPublicAddress } from "./public-address.js";

/** Returns why an address is refused, as a clause; null for a public address of another machine. */
export function refusedAddress(address: string): string | null {
  if (!isPublicAddress(address)) return `resolves to ${address}, which is not public`;
  return ofThisMachine(address);
}

/** Private networks of organizations (RFC 1918, RFC 6598, RFC 4193). */
const PRIVATE = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/**
 * Returns the rule for the addresses of hosts: those of some may be private.
 * @param privateHosts names in lower case
 */
export function privateHostRule(
  privateHosts: readonly string[],
): (address: string, host: string) => string | null {
  return (address, host) => {
    if (!privateHosts.includes(host.toLowerCase())) return refusedAddress(address);
    if (isMetadataAddress(address))
      return `resolves to ${address}, a link-local or metadata address`;
    const isReachable = isPublicAddress(address) || isPrivateAddress(address);
    if (!isReachable) return `resolves to ${address}, which is neither public nor private`;
    return ofThisMachine(address);
  };
}

/** IPv4-mapped addresses are not: they would hide an address of this machine. */
function isPrivateAddress(address: string): boolean {
  return PRIVATE.some(
    (network) => network.includes(":") === address.includes(":") && isWithin(address, network),
  );
}

function ofThisMachine(address: string): string | null {
  const isOwn = ownAddresses().has(ipaddr.parse(address).toString());
  return isOwn ? `resolves to ${address}, an address of this machine` : null;
}

/** The addresses of this machine's interfaces. */
function ownAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
  return new Set(all.map(({ address }) => ipaddr.parse(address.replace(/%.*$/, "")).toString()));
}
