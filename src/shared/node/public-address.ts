/** Addresses that everybody can reach, against server-side request forgery. */
import { isIP } from "node:net";
import { isWithin } from "./networks.js";

/** Non-public networks: RFC 6890 and its registry, and Azure's metadata service. */
export const NON_PUBLIC = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "168.63.129.16/32",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  // IETF protocol assignments, including Teredo and ORCHID.
  "2001::/23",
  "2001:db8::/32",
  // 6to4 embeds an IPv4 address.
  "2002::/16",
  "3fff::/20",
];

/** Global unicast (RFC 4291); all other IPv6 addresses are local, reserved or translate IPv4. */
const globalUnicast = "2000::/3";

/** Whether an address is publicly reachable. IPv4-mapped IPv6 addresses are not. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 6 && !isWithin(address, globalUnicast)) return false;
  return !NON_PUBLIC.some((network) => isWithin(address, network));
}
