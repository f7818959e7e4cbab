import type { Logger } from "pino";
import { email as emailSchema } from "#shared/contract/fields.js";
import { oidcErrors } from "#shared/oidc-errors.js";
import { sitePath } from "#shared/site-path.js";
import type { OidcSettings } from "../../../config/config.js";
import {
  violatedConstraint,
  type Database,
  type Queryable,
} from "../../../db/connection/connect.js";
import { AppError, notFound, unavailable } from "../../../errors.js";
import type { Actor } from "../../../access/authenticate.js";
import * as queries from "./oidc.queries.js";
import { createOidcProvider, OidcFailure, type Attempt, type Identity } from "./oidc-provider.js";
import { lastSignInMethod } from "../passkeys/passkeys.js";
import { requireSession } from "../reauthenticate.js";
import type { SessionOrigin } from "../sessions/sessions.queries.js";
import { encrypt, decrypt } from "../../../encrypt.js";
import { isClaimed } from "../claim-account.js";
import { holdCredential } from "../person-lock.js";
import { findUser } from "../auth.queries.js";
import { lockSignInMethods } from "../lock-sign-in-methods.js";
import type { SignedIn, StartSession } from "../sign-in.js";

export const attemptSeconds = 10 * 60;
const sealedFor = "oidc attempt";

/** A sign-in under way, as its cookie holds it. */
interface Kept extends Attempt {
  /** The path to go to in the end. */
  redirect: string;
  /** Whose account the identity is to be linked to; null signs in. */
  linkTo: string | null;
  /** Milliseconds since 1970. */
  expires: number;
}

/** Where the browser goes next; with `signedIn` as somebody, with `cookie` on the way to the provider. */
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
  /** Whether a token is that of an open invitation of an address. */
  isInvited: (token: string, email: string) => Promise<boolean>;
  log: Logger;
}

/** Signing in through an identity provider, and linking its identities to accounts. */
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
    const kept: Kept = {
      ...attempt,
      redirect: sitePath(redirect ?? "/") ?? "/",
      linkTo,
      expires: Date.now() + attemptSeconds * 1000,
    };
    const sealed = encrypt(secret, sealedFor, "", Buffer.from(JSON.stringify(kept)));
    return { location: url, cookie: sealed.toString("base64url") };
  };
  const keptIn = (cookie: string | undefined): Kept | null => {
    const plain = decrypt(secret, sealedFor, "", Buffer.from(cookie ?? "", "base64url"));
    const kept = plain && (JSON.parse(plain.toString()) as Kept);
    return kept && kept.expires > Date.now() ? kept : null;
  };
  const warn = (failure: OidcFailure): void => {
    const { cause } = failure;
    const reason = cause instanceof Error ? cause.message : undefined;
    log.warn({ code: failure.code, reason }, "a sign-in through the identity provider failed");
  };

  /** The account of an identity: linked before, linked by its verified address now, or made. */
  const accountOf = (issuer: string, identity: Identity, mayRegister: boolean): Promise<string> =>
    db.withSystemTx("sign in by an identity", async (tx) => {
      const linked = await queries.findByIdentity(tx, issuer, identity.subject);
      const userId = linked?.user_id ?? (await linkOrRegister(tx, issuer, identity, mayRegister));
      if (linked && !linked.is_active) throw new OidcFailure("account_inactive");
      return userId;
    });
  /** As for a registration by password: an invitation's link is the path to come back to. */
  const mayRegister = async ({ email }: Identity, redirect: string): Promise<boolean> => {
    if (deps.registration !== "invite") return deps.registration === "open";
    const token = /^\/invitations\/([\w-]+)$/.exec(redirect)?.[1];
    return token !== undefined && email !== null && deps.isInvited(token, email);
  };

  const link = async (issuer: string, identity: Identity, actor: Actor): Promise<void> => {
    const { userId } = actor;
    try {
      await db.withSystemTx("link an identity", async (tx) => {
        await holdCredential(tx, actor);
        if (!(await findUser(tx, userId))?.is_verified) throw new OidcFailure("email_unverified");
        await queries.insertIdentity(tx, userId, issuer, identity.subject);
      });
    } catch (error) {
      if (violatedConstraint(error) !== "accounts_provider_key") throw error;
      const owner = await db.withSystem("whose identity it is", (tx) =>
        queries.findByIdentity(tx, issuer, identity.subject),
      );
      if (owner?.user_id !== userId) throw new OidcFailure("oidc_linked_elsewhere");
    }
  };

  return {
    /** On the way to the provider; back to the login page where it does not answer. */
    start: async (redirectUri: string, redirect: string | undefined): Promise<Step> => {
      try {
        return await begin(redirectUri, redirect, null);
      } catch (error) {
        if (!(error instanceof OidcFailure)) throw error;
        warn(error);
        return { location: loginPage(error.code, sitePath(redirect ?? "/") ?? "/") };
      }
    },

    /** As `start`, to link an identity to the actor's account. */
    startLink: async (actor: Actor, redirectUri: string, redirect: string | undefined) => {
      requireSession(actor);
      configured();
      const person = await db.withSystem("see whether an address is verified", (tx) =>
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
        throw unavailable("The identity provider does not answer; try again later.");
      }
    },

    /**
     * Back from the provider.
     * @param callbackUrl the address called, at the public origin
     * @param signedInAs the actor of the session's cookie, for linking
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
          // Who began to link must still be who is signed in here.
          if (signedInAs?.userId !== kept.linkTo) throw new OidcFailure("oidc_expired");
          await link(settings.issuer, identity, signedInAs);
          return { location: kept.redirect };
        }
        const mayJoin = await mayRegister(identity, kept.redirect);
        const userId = await onceMore(() => accountOf(settings.issuer, identity, mayJoin));
        const signedIn = await deps.startSession(userId, origin, async (tx) => {
          const { issuer } = settings;
          if (!(await queries.holdIdentity(tx, userId, issuer, identity.subject))) {
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
      db.withSystem("list one's identities", (tx) =>
        queries.listIdentities(tx, userId, after, limit),
      ),

    /** @throws AppError 404 */
    identity: async (userId: string, identityId: string) => {
      const found = await db.withSystem("read one's identity", (tx) =>
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

/**
 * The account for an identity that is new here. Only an address that both sides have verified leads to
 * an account that exists and that its owner holds, and never past its second factor: else whoever
 * gets hold of an address would get the account.
 */
async function linkOrRegister(
  tx: Queryable,
  issuer: string,
  identity: Identity,
  mayRegister: boolean,
): Promise<string> {
  const address = emailSchema.safeParse(identity.email);
  if (!identity.emailVerified || !address.success) throw new OidcFailure("oidc_email_unverified");
  const existing = await queries.findByEmail(tx, address.data);
  if (existing) {
    if (!isClaimed(existing) || existing.has_second_factor) {
      throw new OidcFailure("oidc_not_linked");
    }
    if (!existing.is_active) throw new OidcFailure("account_inactive");
    await queries.insertIdentity(tx, existing.user_id, issuer, identity.subject);
    return existing.user_id;
  }
  const input = { email: address.data, full_name: identity.name };
  const userId = await queries.insertVerifiedUser(tx, input, !mayRegister);
  if (userId === null) throw new OidcFailure("registration_closed");
  await queries.insertIdentity(tx, userId, issuer, identity.subject);
  return userId;
}

/** Two first sign-ins of one person at once: the second one finds what the first one made. */
async function onceMore<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const constraint = violatedConstraint(error);
    if (constraint !== "accounts_provider_key" && constraint !== "users_email_key") throw error;
    return work();
  }
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
