import { parse as uuidBytes } from "uuid";
import type { Assertion, Attestation, Passkey } from "#shared/api/identity/passkeys.js";
import {
  violatedConstraint,
  type Database,
  type Queryable,
} from "../../../../db/connection/connect.js";
import { AppError, invalidField, notFound } from "../../../../errors.js";
import type { Actor } from "../../../../access/authenticate.js";
import {
  readChallenge,
  signChallenge,
  type Challenge,
  type ChallengePurpose,
} from "../challenges.js";
import * as queries from "./passkeys.queries.js";
import { requireLiveCredential } from "../../../../access/person-lock.js";
import { requireSession } from "../reauthenticate.js";
import type { SessionOrigin } from "../browser-sessions/sessions.queries.js";
import { claimChallenge, findEmail } from "../totp/second-factor.queries.js";
import { challengeExpired } from "../totp/second-factor.js";
import type { StartSession } from "../sign-in.js";
import { verifyAssertion, verifyRegistration, webauthn, type RelyingParty } from "./webauthn.js";
import { lockSignInMethods } from "../lock-sign-in-methods.js";

/** The browser's timeout for the user, shorter than the challenge's lifetime. */
const timeout = 4 * 60_000;

/**
 * Creates the passkey (WebAuthn) service. Passkeys are discoverable and require user verification, so
 * one counts as both factors.
 */
export function createPasskeyService(
  db: Database,
  settings: { secret: string; issuer: string | null },
  startSession: StartSession,
) {
  const { secret } = settings;
  const system = <Result>(work: (tx: Queryable) => Promise<Result>): Promise<Result> =>
    db.withSystem("list a user's passkeys", work);
  const newChallenge = (purpose: ChallengePurpose, userId: string | null) =>
    Uint8Array.from(signChallenge(secret, purpose, userId));

  /** Returns the challenge that the browser signed, or null if it is expired or invalid. */
  const signedChallenge = (
    purpose: ChallengePurpose,
    clientDataJSON: string,
  ): (Challenge & { text: string }) | null => {
    const text = challengeIn(clientDataJSON);
    const challenge = text === null ? null : readChallenge(secret, purpose, text);
    return challenge && text !== null ? { ...challenge, text } : null;
  };

  return {
    list: (userId: string, after: string | null, limit: number): Promise<Passkey[]> =>
      system((tx) => queries.listPasskeys(tx, userId, after, limit)),

    /** @throws AppError 404 */
    read: async (userId: string, passkeyId: string): Promise<Passkey> => {
      const found = await system((tx) => queries.findPasskey(tx, userId, passkeyId));
      if (!found) throw notFound();
      return found;
    },

    options: async (actor: Actor, party: RelyingParty) => {
      requireSession(actor);
      const email = (await system((tx) => findEmail(tx, actor.userId))) ?? "";
      const { generateRegistrationOptions } = await webauthn();
      return generateRegistrationOptions({
        rpName: "Omoi",
        rpID: party.id,
        userID: Uint8Array.from(uuidBytes(actor.userId)),
        userName: email,
        userDisplayName: email,
        challenge: newChallenge("passkey registration", actor.userId),
        timeout,
        attestationType: "none",
        excludeCredentials: await system((tx) => queries.listCredentials(tx, actor.userId)),
        authenticatorSelection: { residentKey: "required", userVerification: "required" },
      });
    },

    create: async (
      actor: Actor,
      name: string,
      response: Attestation,
      party: RelyingParty,
    ): Promise<Passkey> => {
      requireSession(actor);
      const { clientDataJSON, transports = [] } = response.response;
      const challenge = signedChallenge("passkey registration", clientDataJSON);
      if (challenge?.userId !== actor.userId) {
        throw invalidField("response", "took too long; start again", "challenge_expired");
      }
      const registrationInfo = await verifyRegistration(response, challenge.text, party);
      if (!registrationInfo) {
        throw invalidField("response", "was not accepted; start again", "passkey_rejected");
      }
      const { credential, credentialBackedUp } = registrationInfo;
      try {
        return await db.withSystemTx("register a passkey", async (tx) => {
          await requireLiveCredential(tx, actor);
          if (!(await claimChallenge(tx, challenge))) {
            throw invalidField("response", "was already used; start again", "challenge_expired");
          }
          return queries.insertPasskey(tx, {
            user_id: actor.userId,
            name,
            credential_id: credential.id,
            public_key: Buffer.from(credential.publicKey),
            counter: credential.counter,
            transports,
            backed_up: credentialBackedUp,
          });
        });
      } catch (error) {
        if (violatedConstraint(error) !== "passkeys_credential_key") throw error;
        throw new AppError(
          "passkey_exists",
          "This passkey is already registered; use it to sign in.",
        );
      }
    },

    rename: async (actor: Actor, passkeyId: string, name: string): Promise<Passkey> => {
      requireSession(actor);
      const renamed = await db.withSystemTx("rename a passkey", (tx) =>
        queries.renamePasskey(tx, actor.userId, passkeyId, name),
      );
      if (!renamed) throw notFound();
      return renamed;
    },

    remove: async (actor: Actor, passkeyId: string): Promise<void> => {
      requireSession(actor);
      await db.withSystemTx("remove a passkey", async (tx) => {
        const left = await lockSignInMethods(tx, actor.userId, settings.issuer);
        if (!(await queries.deletePasskey(tx, actor.userId, passkeyId))) throw notFound();
        if (left <= 1) throw lastSignInMethod();
      });
    },

    loginOptions: async (party: RelyingParty) => {
      const { generateAuthenticationOptions } = await webauthn();
      return generateAuthenticationOptions({
        rpID: party.id,
        challenge: newChallenge("passkey sign-in", null),
        timeout,
        userVerification: "required",
      });
    },

    login: async (response: Assertion, party: RelyingParty, origin: SessionOrigin) => {
      const { userHandle, clientDataJSON } = response.response;
      const challenge = signedChallenge("passkey sign-in", clientDataJSON);
      if (!challenge) throw challengeExpired();
      const found = await system((tx) => queries.findCredential(tx, response.id));
      if (!found || userHandle !== handleOf(found.user_id)) throw rejected();
      const use = await verifyAssertion(response, challenge.text, found, party);
      if (!use) throw rejected();
      return startSession(found.user_id, origin, async (tx) => {
        if (!(await claimChallenge(tx, challenge))) throw challengeExpired();
        const { newCounter, credentialBackedUp } = use;
        if (!(await queries.countUse(tx, found.id, newCounter, credentialBackedUp))) {
          throw rejected();
        }
      });
    },
  };
}

function handleOf(userId: string): string {
  return Buffer.from(uuidBytes(userId)).toString("base64url");
}

function challengeIn(clientDataJSON: string): string | null {
  try {
    const text = Buffer.from(clientDataJSON, "base64url").toString();
    const { challenge } = JSON.parse(text) as { challenge?: unknown };
    return typeof challenge === "string" ? challenge : null;
  } catch {
    return null;
  }
}

/** One error for every cause, so that it does not reveal which credentials exist. */
function rejected(): AppError {
  return new AppError(
    "passkey_rejected",
    "This passkey is unknown or was not accepted; try another one or sign in another way.",
    { headers: { "www-authenticate": "Bearer" } },
  );
}

export function lastSignInMethod(): AppError {
  return new AppError(
    "last_sign_in_method",
    "This is your last sign-in method; add another one before you remove it.",
  );
}
