import { isIP } from "node:net";

/** Who asks for a passkey, as browsers check it (WebAuthn, section 5.1.2 and 13.4.9). */
export interface RelyingParty {
  id: string;
  origins: string[];
}

/**
 * The relying party at the public address; on a server of one's own machine also `localhost`, where a
 * request came in by that name. A text instead says why there is none: a passkey is bound to a name.
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
    ? `Passkeys are bound to a name, not to an address such as ${name}. Open http://localhost:${port || "80"} to use them.`
    : `Passkeys are bound to a name, not to an address such as ${name}. They work once this server has a name, set as OMOI_PUBLIC_URL.`;
}
