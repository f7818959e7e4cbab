import type { Logger } from "pino";
import { oidcErrors } from "#shared/identity/oidc-errors.js";
import { sitePath } from "#shared/site-path.js";
import type { OidcSettings } from "../../../../config/config.js";
import type { Database } from "../../../../db/connection/connect.js";
import { AppError, notFound, unavailable } from "../../../../errors.js";
import type { Actor } from "../../../../access/authenticate.js";
import { accountOf, linkIdentity } from "./identity-accounts.js";
import * as queries from "./oidc.queries.js";
import { createOidcProvider, OidcFailure, type Attempt, type Identity } from "./oidc-provider.js";
import { lastSignInMethod } from "../passkeys/passkeys.js";
import { requireSession } from "../reauthenticate.js";
import type { SessionOrigin } from "../browser-sessions/sessions.queries.js";
import { encrypt, decrypt } from "../../../../encrypt.js";
import { findUser } from "../auth.queries.js";
import { lockSignInMethods } from "../lock-sign-in-methods.js";
import type { SignedIn, StartSession } from "../sign-in.js";

export const attemptSeconds = 10 * 60;
const sealedFor = "oidc attempt";

/** A sign-in in progress, as stored in the cookie. */
interface StoredAttempt extends Attempt {
  /** The path to return to. */
  redirect: string;
  /** The user to link the identity to; null for a sign-in. */
  linkTo: string | null;
  /** Milliseconds since 1970. */
  expires: number;
}

/** The next redirect: with `signedIn` after a sign-in, with `cookie` on the way to the provider. */
export interface Step {
  location: string;
  cookie?: string;
  signedIn?: SignedIn;
}

interface OidcDeps {
  db: Database;
  secret: string;
  registration: "open" | "invite" | "closed";
  settings: OidcSettings | null;
  startSession: StartSession;
  /** Whether a token belongs to an open invitation of the address. */
  isInvited: (token: string, email: string) => Promise<boolean>;
  log: Logger;
}

/** Creates the service that signs users in through an identity provider and links identities. */
export function createOidcService(deps: OidcDeps) {
  const { db, secret, settings, log } = deps;
  const provider = settings && createOidcProvider(settings);
  const configured = () => {
    if (!settings || !provider) throw notFound();
    return { settings, provider };
  };

  const begin = async (
    redirectUri: string,
    redirect: string | undefined,
    linkTo: string | null,
  ): Promise<{ location: string; cookie: string }> => {
    const { url, attempt } = await configured().provider.begin(redirectUri);
    const kept: StoredAttempt = {
      ...attempt,
      redirect: sitePath(redirect ?? "/") ?? "/",
      linkTo,
      expires: Date.now() + attemptSeconds * 1000,
    };
    const sealed = encrypt(secret, sealedFor, "", Buffer.from(JSON.stringify(kept)));
    return { location: url, cookie: sealed.toString("base64url") };
  };
  const keptIn = (cookie: string | undefined): StoredAttempt | null => {
    const plain = decrypt(secret, sealedFor, "", Buffer.from(cookie ?? "", "base64url"));
    const kept = plain && (JSON.parse(plain.toString()) as StoredAttempt);
    return kept && kept.expires > Date.now() ? kept : null;
  };
  const warn = (failure: OidcFailure): void => {
    const { cause } = failure;
    const reason = cause instanceof Error ? cause.message : undefined;
    log.warn({ code: failure.code, reason }, "a sign-in through the identity provider failed");
  };

  /** As with password registration, an invitation's link is the path to return to. */
  const mayRegister = async ({ email }: Identity, redirect: string): Promise<boolean> => {
    if ((await db.maintenance()) !== null) return false;
    if (deps.registration !== "invite") return deps.registration === "open";
    const token = /^\/invitations\/([\w-]+)$/.exec(redirect)?.[1];
    return token !== undefined && email !== null && deps.isInvited(token, email);
  };

  return {
    /** Redirects to the provider, or back to the login page when it is unreachable. */
    start: async (redirectUri: string, redirect: string | undefined): Promise<Step> => {
      try {
        return await begin(redirectUri, redirect, null);
      } catch (error) {
        if (!(error instanceof OidcFailure)) throw error;
        warn(error);
        return { location: loginPage(error.code, sitePath(redirect ?? "/") ?? "/") };
      }
    },

    /** Like `start`, to link an identity to the actor's account. */
    startLink: async (actor: Actor, redirectUri: string, redirect: string | undefined) => {
      requireSession(actor);
      configured();
      const person = await db.withSystem("check whether an address is verified", (tx) =>
        findUser(tx, actor.userId),
      );
      if (!person?.is_verified) {
        throw new AppError("email_unverified", oidcErrors.email_unverified);
      }
      try {
        return await begin(redirectUri, redirect, actor.userId);
      } catch (error) {
        if (!(error instanceof OidcFailure)) throw error;
        warn(error);
        throw unavailable("The identity provider is unreachable; try again later.");
      }
    },

    /**
     * Handles the provider's callback.
     * @param callbackUrl the requested URL at the public origin
     * @param signedInAs the actor of the session cookie, for linking
     */
    finish: async (
      callbackUrl: URL,
      cookie: string | undefined,
      signedInAs: Actor | null,
      origin: SessionOrigin,
    ): Promise<Step> => {
      const { settings, provider } = configured();
      const kept = keptIn(cookie);
      try {
        if (!kept) throw new OidcFailure("oidc_expired");
        const identity = await provider.finish(callbackUrl, kept);
        if (kept.linkTo !== null) {
          // Linking must end in the session that began it.
          if (signedInAs?.userId !== kept.linkTo) throw new OidcFailure("oidc_expired");
          await linkIdentity(db, settings.issuer, identity, signedInAs);
          return { location: kept.redirect };
        }
        const mayJoin = await mayRegister(identity, kept.redirect);
        const userId = await accountOf(db, settings.issuer, identity, mayJoin);
        const signedIn = await deps.startSession(userId, origin, async (tx) => {
          const { issuer } = settings;
          if (!(await queries.lockIdentity(tx, userId, issuer, identity.subject))) {
            throw new OidcFailure("oidc_failed");
          }
        });
        return { location: kept.redirect, signedIn };
      } catch (error) {
        if (!(error instanceof OidcFailure)) throw error;
        warn(error);
        const location =
          kept && kept.linkTo !== null
            ? withError(kept.redirect, error.code)
            : loginPage(error.code, kept?.redirect ?? "/");
        return { location };
      }
    },

    identities: (userId: string, after: string | null, limit: number) =>
      db.withSystem("list the user's identities", (tx) =>
        queries.listIdentities(tx, userId, after, limit),
      ),

    /** @throws AppError 404 */
    identity: async (userId: string, identityId: string) => {
      const found = await db.withSystem("read an identity of the user", (tx) =>
        queries.findIdentity(tx, userId, identityId),
      );
      if (!found) throw notFound();
      return found;
    },

    unlink: async (actor: Actor, identityId: string): Promise<void> => {
      requireSession(actor);
      const issuer = settings?.issuer ?? null;
      await db.withSystemTx("unlink an identity", async (tx) => {
        const left = await lockSignInMethods(tx, actor.userId, issuer);
        const unlinked = await queries.deleteIdentity(tx, actor.userId, identityId);
        if (unlinked === null) throw notFound();
        if (unlinked === issuer && left <= 1) throw lastSignInMethod();
      });
    },
  };
}

function loginPage(error: string, redirect: string): string {
  const query = new URLSearchParams({ error });
  if (redirect !== "/") query.set("redirect", redirect);
  return `/login?${query.toString()}`;
}

function withError(path: string, error: string): string {
  const url = new URL(path, "http://site.invalid");
  url.searchParams.set("error", error);
  return url.pathname + url.search + url.hash;
}
