/** The checks of signed responses by the WebAuthn library, which reports a mismatch by an exception. */
import type { Assertion, Attestation } from "#shared/api/identity/passkeys.js";
import type { findCredential } from "./passkeys.queries.js";
import { isIP } from "node:net";
import { isLoopbackHost } from "#shared/node/networks.js";

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
  const isLoopback = isLoopbackHost(name);
  if (isLoopback && /^localhost(:\d+)?$/.test(requestHost)) {
    return { id: "localhost", origins: [`http://${requestHost}`, `https://${requestHost}`] };
  }
  if (isIP(name) === 0) return { id: name, origins: [origin] };
  return isLoopback
    ? `Passkeys are bound to a domain name, not to an address such as ${name}. Open http://localhost:${port || "80"} to use them.`
    : `Passkeys are bound to a domain name, not to an address such as ${name}. They work once this server has a name, set as OMOI_PUBLIC_URL.`;
}

/** Loaded on first use: it takes longer to load than the rest of the server. */
export const webauthn = () => import("@simplewebauthn/server");

/** No extensions are requested. */
const noExtensions = { clientExtensionResults: {} };

const expectationsOf = (challenge: string, party: RelyingParty) => ({
  expectedChallenge: challenge,
  expectedOrigin: party.origins,
  expectedRPID: party.id,
  requireUserVerification: true,
});

/** Returns a new credential, or undefined if the response is not valid. */
export async function verifyRegistration(
  response: Attestation,
  challenge: string,
  party: RelyingParty,
) {
  const { clientDataJSON, attestationObject } = response.response;
  const { verifyRegistrationResponse } = await webauthn();
  const { registrationInfo } = await verifyRegistrationResponse({
    response: { ...response, ...noExtensions, response: { clientDataJSON, attestationObject } },
    ...expectationsOf(challenge, party),
  }).catch(() => ({ registrationInfo: undefined }));
  return registrationInfo;
}

/** Returns the use of a credential, or undefined if the response is not valid. */
export async function verifyAssertion(
  response: Assertion,
  challenge: string,
  found: NonNullable<Awaited<ReturnType<typeof findCredential>>>,
  party: RelyingParty,
) {
  const { userHandle: _userHandle, ...signed } = response.response;
  const { verifyAuthenticationResponse } = await webauthn();
  const { verified, authenticationInfo } = await verifyAuthenticationResponse({
    response: { ...response, ...noExtensions, response: signed },
    ...expectationsOf(challenge, party),
    credential: {
      id: response.id,
      publicKey: Uint8Array.from(found.public_key),
      counter: found.counter,
    },
  }).catch(() => ({ verified: false, authenticationInfo: undefined }));
  return verified ? authenticationInfo : undefined;
}
