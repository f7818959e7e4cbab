import type { PublicKeyCredentialCreationOptionsJSON } from "@simplewebauthn/browser";
import type { Passkey } from "#shared/api/identity/passkeys.js";
import type { Answer } from "#shared/contract/call.js";
import { client, clientError } from "../../../../api/client.js";

/** Loaded on first use of a passkey. */
const webauthn = () => import("@simplewebauthn/browser");

/** Why passkeys are not available, by the server's or the browser's reason; undefined if they are. */
export function passkeyProblem(serverReason: string | null | undefined): string | undefined {
  if (serverReason) return serverReason;
  if (/^[\d.]+$|^\[/.test(location.hostname)) {
    return "Passkeys are bound to a name. Open this site by its name, not by its address.";
  }
  if (!window.isSecureContext) return "Passkeys need a secure connection. Open this site by https.";
  if (!("PublicKeyCredential" in window)) return "This browser has no passkeys.";
  return undefined;
}

/** Signs in with a passkey that the user selects. */
export async function signInWithPasskey(): Promise<Answer<unknown>> {
  const { startAuthentication } = await webauthn();
  const { data } = await client.passkeys.loginOptions();
  const response = await withReadableErrors(
    startAuthentication({ optionsJSON: data as { challenge: string } & typeof data }),
  );
  return client.passkeys.login({ body: { response } });
}

/** Creates a passkey on a device that the user selects, and registers it. */
export async function createPasskey(name: string): Promise<Answer<Passkey>> {
  const { startRegistration } = await webauthn();
  const { data } = await client.passkeys.options();
  const optionsJSON = data as unknown as PublicKeyCredentialCreationOptionsJSON;
  const response = await withReadableErrors(startRegistration({ optionsJSON }));
  return client.passkeys.create({ body: { name, response } });
}

/** Converts the browser's errors, which are vague by design, to readable ones. */
async function withReadableErrors<Result>(answer: Promise<Result>): Promise<Result> {
  try {
    return await answer;
  } catch (error) {
    const { name } = error as Error;
    throw clientError(
      400,
      name === "InvalidStateError"
        ? "There is a passkey for your account on that device already."
        : name === "SecurityError"
          ? "Passkeys do not work at this address. Open the site by its name."
          : "No passkey was used: the request was canceled or timed out. Try again.",
    );
  }
}
