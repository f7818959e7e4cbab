/** Which member a login of a forge belongs to: proved by the member, or entered by an admin. */
import type { Forge } from "#shared/api/work/forges.js";
import type { ForgePerson } from "#shared/api/work/forge-people.js";
import { isPerson } from "../../../access/authenticate.js";
import type { AuditWriter } from "../../../db/audit/audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { AppError, invalidField, notFound } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { requirePersonWithin } from "../../organization/members/index.js";
import { readForge } from "./connections.js";
import { withForgeErrors, type ForgeDeps } from "./use-forge.js";
import * as queries from "./people/people.queries.js";

const targetOf = ({ id, name }: Pick<Forge, "id" | "name">) =>
  ({ type: "forge", id, name }) as const;

/**
 * Sets the member of a login. It lets the owner of the login act as the member, so that the member must not have more
 * permissions than the actor.
 * @throws AppError 403 `privilege_escalation`; 404; 422 for an id of no member
 */
export function setPerson(
  context: OrgContext,
  forgeId: string,
  login: string,
  userId: string,
): Promise<ForgePerson> {
  return context.change(async (tx, audit, access) => {
    const forge = await readForge(tx, forgeId);
    await requirePersonWithin(tx, access, userId);
    return putPerson(tx, audit, forge, {
      org_id: context.orgId,
      login,
      user_id: userId,
      how: "set",
    });
  });
}

/** @throws AppError 404 */
export async function removePerson(
  context: OrgContext,
  forgeId: string,
  login: string,
): Promise<void> {
  await context.change(async (tx, audit) => {
    const forge = await readForge(tx, forgeId);
    const person = await queries.findPerson(tx, forgeId, login);
    if (!person) throw notFound();
    await queries.deletePerson(tx, forgeId, login);
    auditRemoved(audit, forge, login);
  });
}

/**
 * Links the actor's own account. The token proves it by one request, and is not stored.
 * @throws AppError 403 `session_required`; 404; 422 with the reason of the forge
 */
export async function linkAccount(
  { clients }: Pick<ForgeDeps, "clients">,
  context: OrgContext,
  forgeId: string,
  token: string,
): Promise<ForgePerson> {
  requireOwnSession(context);
  const forge = await context.tx((tx) => readForge(tx, forgeId));
  const login = await withForgeErrors(async () => {
    const signedIn = await clients.opener.open(forge, { kind: "token", token });
    return signedIn.account();
  });
  if (login === "") throw invalidField("token", "belongs to no user");
  return context.change(async (tx, audit) => linkLogin(tx, audit, context, forgeId, login));
}

/** Links a login that the forge has confirmed to be the actor's, within a change. @throws AppError 404 */
export async function linkLogin(
  tx: Queryable,
  audit: AuditWriter,
  { orgId, actor }: Pick<OrgContext, "orgId" | "actor">,
  forgeId: string,
  login: string,
): Promise<ForgePerson> {
  const forge = await readForge(tx, forgeId);
  return putPerson(tx, audit, forge, {
    org_id: orgId,
    login: login.toLowerCase(),
    user_id: actor.userId,
    how: "linked",
  });
}

/** Unlinks the actor's logins on a forge. @throws AppError 403 `session_required`; 404 */
export async function unlinkAccount(context: OrgContext, forgeId: string): Promise<void> {
  requireOwnSession(context);
  await context.change(async (tx, audit) => {
    const forge = await readForge(tx, forgeId);
    const logins = await queries.deleteLoginsOf(tx, forgeId, context.actor.userId);
    for (const login of logins) auditRemoved(audit, forge, login);
  });
}

/** Requires a person, not a program. @throws AppError 403 */
export function requirePersonal({ actor }: Pick<OrgContext, "actor">): void {
  if (isPerson(actor)) return;
  throw new AppError("insufficient_permission", "Accounts on forges belong to people; sign in.");
}

/** Returns the session of the actor, which is required: a stolen key must not let others act as its owner. @throws AppError 403 `session_required` */
export function requireOwnSession({ actor }: Pick<OrgContext, "actor">): string {
  if (isPerson(actor) && actor.session !== null) return actor.session.id;
  throw new AppError(
    "session_required",
    "Accounts on forges are linked in a session, not with an API key; sign in first.",
  );
}

async function putPerson(
  tx: Queryable,
  audit: AuditWriter,
  forge: Forge,
  row: Omit<Parameters<typeof queries.putPerson>[1], "forge_id">,
): Promise<ForgePerson> {
  const { login } = row;
  const before = await queries.findPerson(tx, forge.id, login);
  await queries.putPerson(tx, { ...row, forge_id: forge.id });
  const after = await queries.findPerson(tx, forge.id, login);
  if (!after) throw notFound();
  audit({
    action: row.how === "set" ? "forge.person_set" : "forge.person_linked",
    target: targetOf(forge),
    changes: {
      login: { from: before?.login ?? null, to: login },
      user_id: { from: before?.user_id ?? null, to: after.user_id },
    },
  });
  return after;
}

function auditRemoved(audit: AuditWriter, forge: Forge, login: string): void {
  audit({
    action: "forge.person_removed",
    target: targetOf(forge),
    changes: { login: { from: login, to: null } },
  });
}
