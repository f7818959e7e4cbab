/** The accounts of identities: linked to existing ones, or created at the first sign-in. */
import { email as emailSchema } from "#shared/contract/fields.js";
import type { Actor } from "../../../../access/authenticate.js";
import {
  violatedConstraint,
  type Database,
  type Queryable,
} from "../../../../db/connection/connect.js";
import { findUser, insertUser } from "../auth.queries.js";
import { isClaimed } from "../claim-account.js";
import { requireLiveCredential } from "../../../../access/person-lock.js";
import * as queries from "./oidc.queries.js";
import { OidcFailure, type Identity } from "./oidc-provider.js";

/** Returns the identity's account: linked earlier, linked now by its verified address, or created. */
export function accountOf(
  db: Database,
  issuer: string,
  identity: Identity,
  mayRegister: boolean,
): Promise<string> {
  return retryOnConflict(() =>
    db.withSystemTx("sign in with an identity", async (tx) => {
      const linked = await queries.findByIdentity(tx, issuer, identity.subject);
      const userId = linked?.user_id ?? (await linkOrRegister(tx, issuer, identity, mayRegister));
      if (linked && !linked.is_active) throw new OidcFailure("account_inactive");
      return userId;
    }),
  );
}

/** Links an identity to the account of an actor. @throws OidcFailure */
export async function linkIdentity(
  db: Database,
  issuer: string,
  identity: Identity,
  actor: Actor,
): Promise<void> {
  const { userId } = actor;
  try {
    await db.withSystemTx("link an identity", async (tx) => {
      await requireLiveCredential(tx, actor);
      if (!(await findUser(tx, userId))?.is_verified) throw new OidcFailure("email_unverified");
      await queries.insertIdentity(tx, userId, issuer, identity.subject);
    });
  } catch (error) {
    if (violatedConstraint(error) !== "accounts_provider_key") throw error;
    const owner = await db.withSystem("find the user of an identity", (tx) =>
      queries.findByIdentity(tx, issuer, identity.subject),
    );
    if (owner?.user_id !== userId) throw new OidcFailure("oidc_linked_elsewhere");
  }
}

/**
 * Returns the account for a new identity. An existing account is linked only if both sides verified the
 * address and its owner holds the account, and never past its second factor: otherwise control of an
 * address would give control of the account.
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
  const input = { email: address.data, full_name: identity.name, is_verified: true };
  const user = await insertUser(tx, input, !mayRegister);
  if (!user) throw new OidcFailure("registration_closed");
  await queries.insertIdentity(tx, user.id, issuer, identity.subject);
  return user.id;
}

/** Retries when a concurrent first sign-in of the same user created the account. */
async function retryOnConflict<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const constraint = violatedConstraint(error);
    if (constraint !== "accounts_provider_key" && constraint !== "users_email_key") throw error;
    return work();
  }
}
