import { isIP } from "node:net";

/** The relying party, as browsers check it (WebAuthn, sections 5.1.2 and 13.4.9). */
export interface RelyingParty {
  id: string;
  origins: string[];
}

/**
 * Returns the relying party for the public address, or for `localhost` on a local server requested by
 * that name. Returns a text with the reason when there is none: passkeys are bound to a domain name.
 */
export function relyingPartyOf(publicUrl: string, requestHost: string): RelyingParty | string {
  const { hostname, origin, port } = new URL(publicUrl);
  const name = hostname.replaceAll(/[[\]]/g, "");
  const isLoopback =
    name === "localhost" || name === "::1" || (isIP(name) === 4 && name.startsWith("127."));
  if (isLoopback && /^localhost(:\d+)?$/.test(requestHost)) {
    return { id: "localhost", origins: [`http://${requestHost}`, `https://${requestHost}`] };
  }
  if (isIP(name) === 0) return { id: name, origins: [origin] };
  return isLoopback
    ? `Passkeys are bound to a domain name, not to an address such as ${name}. Open http://localhost:${port || "80"} to use them.`
    : `Passkeys are bound to a domain name, not to an address such as ${name}. They work once this server has a name, set as OMOI_PUBLIC_URL.`;
}
