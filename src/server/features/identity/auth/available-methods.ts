import type { auth } from "#shared/api/identity/auth.js";
import type { ResponseOf } from "#shared/contract/endpoint.js";
import type { Config } from "../../../config/config.js";
import type { Database } from "../../../db/connection/connect.js";
import { relyingPartyOf } from "./passkeys/webauthn.js";
import { hasUsers } from "./auth-service.js";

/** Returns the sign-in methods available at the request's address. */
export function signInMethods(
  db: Database,
  config: Pick<Config, "oidc" | "registration" | "smtp">,
  publicUrl: () => string,
): (host: string) => Promise<ResponseOf<(typeof auth)["methods"]>> {
  return async (host) => {
    const isEmpty = !(await hasUsers(db));
    const party = relyingPartyOf(publicUrl(), host);
    return {
      password: true,
      passkey: typeof party !== "string",
      passkey_reason: typeof party === "string" ? party : null,
      oidc: config.oidc && { name: config.oidc.name },
      // The first user can always register.
      registration: isEmpty ? "open" : config.registration,
      needs_first_account: isEmpty,
      sends_email: config.smtp !== null,
    };
  };
}
