/** Addresses that the server must not reach for others, whatever name resolves to them. */
import { networkInterfaces } from "node:os";
import ipaddr from "ipaddr.js";
import { isPublicAddress } from "./public-address.js";

/** Returns why an address is refused, as a clause; null for a public address of another machine. */
export function refusedAddress(address: string): string | null {
  if (!isPublicAddress(address)) return `resolves to ${address}, which is not public`;
  const isOwn = ownAddresses().has(ipaddr.parse(address).toString());
  return isOwn ? `resolves to ${address}, an address of this machine` : null;
}

/** The addresses of this machine's interfaces. */
function ownAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
  return new Set(all.map(({ address }) => ipaddr.parse(address.replace(/%.*$/, "")).toString()));
}
