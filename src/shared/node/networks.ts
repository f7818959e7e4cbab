import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/** A range of IP addresses in CIDR notation (RFC 4632, RFC 4291). */
interface Network {
  address: ipaddr.IPv4 | ipaddr.IPv6;
  bits: number;
}

/** Returns the canonical text of a network, which is the stored form; null for any other text. */
export function normalNetwork(text: string): string | null {
  const network = parseNetwork(text);
  if (!network) return null;
  const { address, bits } = network;
  const family = address.kind() === "ipv4" ? ipaddr.IPv4 : ipaddr.IPv6;
  return `${family.networkAddressFromCIDR(`${address.toString()}/${bits}`).toString()}/${bits}`;
}

/** Whether a network or an address lies within a network. */
export function isWithin(narrow: string, wide: string): boolean {
  const [inner, outer] = [parseNetwork(narrow), parseNetwork(wide)];
  if (!inner || !outer || inner.address.kind() !== outer.address.kind()) return false;
  return inner.bits >= outer.bits && inner.address.match(outer.address, outer.bits);
}

/** Whether two networks share an address. */
export function overlaps(a: string, b: string): boolean {
  return isWithin(a, b) || isWithin(b, a);
}

/**
 * Returns the network that limits per address count as one caller: an IPv4 address, or the /64 of an IPv6
 * address, since providers assign a whole /64 to one customer.
 */
export function callerNetwork(address: string): string {
  const [ip = address] = (normalNetwork(address) ?? address).split("/");
  return isIP(ip) === 6 ? (normalNetwork(`${ip}/64`) ?? ip) : ip;
}

/** Parses `10.0.0.0/8`, `2001:db8::/32` or one address. An IPv4-mapped IPv6 address is the IPv4 address. */
function parseNetwork(text: string): Network | null {
  const [, address = "", length] = /^([0-9A-Fa-f.:]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  // ipaddr.js also reads octal, hexadecimal and shortened IPv4 addresses.
  if (isIP(address) === 0) return null;
  // ipaddr.js reads ::1.2.3.4, an address of its own (RFC 4291, section 2.5.5.1), as the mapped ::ffff:1.2.3.4.
  const parsed = ipaddr.parse(address.replace(/^::(?=\d+\.)/, "0::"));
  const all = parsed.kind() === "ipv4" ? 32 : 128;
  const bits = length === undefined ? all : Number(length);
  if (bits > all) return null;
  const isMapped = parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress() && bits >= 96;
  return isMapped
    ? { address: parsed.toIPv4Address(), bits: bits - 96 }
    : { address: parsed, bits };
}

/** Whether the host of an address is this machine: `localhost`, `127.0.0.0/8` or `::1`, also in brackets. */
export function isLoopbackHost(host: string): boolean {
  const name = host.replaceAll(/[[\]]/g, "");
  return name === "localhost" || name === "::1" || (isIP(name) === 4 && name.startsWith("127."));
}
