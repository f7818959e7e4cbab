import { lookup, type LookupAddress } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { isMetadataAddress } from "./metadata-address.js";
import { refusedAddress } from "./refused-address.js";

/** Returns why an address is refused, as a clause; null for an allowed one. */
export type RefusalOf = (address: string) => string | null;

/**
 * Returns the rule for addresses that users name: public addresses of other machines.
 * @param allowsPrivate whether private and loopback addresses are allowed as well
 */
export function addressRule(allowsPrivate: boolean): RefusalOf {
  return (address) => {
    if (!allowsPrivate) return refusedAddress(address);
    const isMetadata = isMetadataAddress(address);
    return isMetadata ? `resolves to ${address}, a link-local or metadata address` : null;
  };
}

/** Returns why a URL's host is refused if it is an address; null for names, which are looked up. */
export function literalRefusal({ hostname }: URL, refusalOf: RefusalOf): string | null {
  const literal = hostname.replaceAll(/[[\]]/g, "");
  return isIP(literal) === 0 ? null : refusalOf(literal);
}

/**
 * Returns a look-up for connections that fails if one of a name's addresses is refused, so that a name cannot
 * resolve to another address once it was checked.
 * @param refused makes the error from a sentence
 */
export function checkedLookup(
  refusalOf: RefusalOf,
  refused: (sentence: string) => Error,
): LookupFunction {
  return (host, options, done) => {
    lookup(host, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error) {
        done(error, []);
        return;
      }
      const [reason] = found.flatMap(({ address }) => refusalOf(address) ?? []);
      if (reason !== undefined) done(refused(`${host} ${reason}.`), []);
      else if (options.all) done(null, found);
      else done(null, found[0]?.address ?? "", found[0]?.family ?? 4);
    });
  };
}
