import { isIP } from "node:net";

/** A range of IP addresses, in CIDR notation (RFC 4632, RFC 4291). */
interface Network {
  /** 4 or 16 of them. */
  bytes: number[];
  bits: number;
}

/** The network that a text names, written the one way that is stored; null where it names none. */
export function normalNetwork(text: string): string | null {
  const network = parseNetwork(text);
  return network && `${textOf(network.bytes)}/${network.bits}`;
}

/** Whether one network (or an address) lies within another. */
export function isWithin(narrow: string, wide: string): boolean {
  const [inner, outer] = [parseNetwork(narrow), parseNetwork(wide)];
  if (!inner || !outer || inner.bytes.length !== outer.bytes.length) return false;
  if (inner.bits < outer.bits) return false;
  const cut = masked(inner.bytes, outer.bits);
  return outer.bytes.every((byte, place) => byte === cut[place]);
}

/** Whether two networks have an address in common. */
export function overlaps(one: string, other: string): boolean {
  return isWithin(one, other) || isWithin(other, one);
}

/**
 * The network that counts as one caller, for limits by address: an IPv4 address, or the /64 of an IPv6
 * address, which one customer has whole.
 */
export function callerNetwork(address: string): string {
  const [ip = address] = (normalNetwork(address) ?? address).split("/");
  return isIP(ip) === 6 ? (normalNetwork(`${ip}/64`) ?? ip) : ip;
}

/** `10.0.0.0/8`, `2001:db8::/32`, or one address. An IPv4 address within IPv6 is the IPv4 address. */
function parseNetwork(text: string): Network | null {
  const [, address = "", length] = /^([0-9A-Fa-f.:]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const bytes = bytesOf(address);
  if (!bytes) return null;
  const bits = length === undefined ? bytes.length * 8 : Number(length);
  if (bits > bytes.length * 8) return null;
  const isMapped =
    bytes.length === 16 && bits >= 96 && mappedPrefix.every((b, i) => b === bytes[i]);
  return isMapped
    ? { bytes: masked(bytes.slice(12), bits - 96), bits: bits - 96 }
    : { bytes: masked(bytes, bits), bits };
}

const mappedPrefix = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

function bytesOf(address: string): number[] | null {
  const family = isIP(address);
  if (family === 0) return null;
  if (family === 4) return address.split(".").map(Number);
  // The URL standard's parser writes every IPv6 address one way, without dots.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = "", tail] = canonical.split("::");
  const groupsOf = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const [before, after] = [groupsOf(head), groupsOf(tail ?? "")];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return [...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 0xff]);
}

function masked(bytes: number[], bits: number): number[] {
  return bytes.map((byte, place) => {
    const kept = Math.min(8, Math.max(0, bits - place * 8));
    return byte & (0xff << (8 - kept)) & 0xff;
  });
}

function textOf(bytes: number[]): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups: string[] = [];
  for (let place = 0; place < bytes.length; place += 2) {
    groups.push((((bytes[place] ?? 0) << 8) | (bytes[place + 1] ?? 0)).toString(16));
  }
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
