import type {
  NewServiceAccount,
  ServiceAccount,
  ServiceAccountChanges,
} from "#shared/api/identity/service-accounts.js";
import type { Access } from "../../../access/access.js";
import { diffFields, type AuditWriter } from "../../../db/audit/audit.js";
import {
  violatedConstraint,
  type Database,
  type Queryable,
} from "../../../db/connection/connect.js";
import { lockOrganizations } from "../../../db/connection/tenant.js";
import { newId } from "../../../db/tables/columns.js";
import { AppError, notFound } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { revokeKeysOf } from "../api-keys/index.js";
import {
  addServiceMember,
  changeServiceMember,
  removeServiceMember,
} from "../../organization/members/index.js";
import * as queries from "./service-accounts.queries.js";

const targetOf = ({ id, name }: Pick<ServiceAccount, "id" | "name">) =>
  ({ type: "service_account", id, name }) as const;

const auditedFields = ["name", "description", "role_name"] as const;

/** @throws AppError 404 */
export async function readAccount(
  tx: Queryable,
  orgId: string,
  id: string,
): Promise<ServiceAccount> {
  const account = await queries.findAccount(tx, orgId, id);
  if (!account) throw notFound();
  return account;
}

/**
 * Creates a service account with a role that does not exceed the caller's permissions.
 * @throws AppError 403 `privilege_escalation`; 409 `name_taken`; 422 for an unknown role and for the owner's
 */
export function createAccount(
  context: OrgContext,
  { name, description = null, role_id }: NewServiceAccount,
): Promise<ServiceAccount> {
  const { orgId, actor } = context;
  const id = newId();
  const values = { id, org_id: orgId, name, description, created_by: actor.userId };
  return change(context, name, async (tx, audit, access) => {
    await queries.insertAccount(tx, values);
    const member = { org_id: orgId, user_id: id, role_id, invited_by: actor.userId };
    await addServiceMember(tx, access, member);
    const account = await readAccount(tx, orgId, id);
    audit({
      action: "service_account.created",
      target: targetOf(account),
      changes: diffFields(null, account, auditedFields),
    });
    return account;
  });
}

/**
 * Changes an account, which must not have more permissions than the caller. A deactivated account's keys are refused
 * by every process when the call returns.
 * @throws AppError 403 `privilege_escalation`; 404; 409 `name_taken`; 422
 */
export async function updateAccount(
  db: Database,
  context: OrgContext,
  id: string,
  { name, description, role_id, is_active }: ServiceAccountChanges,
): Promise<ServiceAccount> {
  const { orgId } = context;
  const changed = await change(context, name ?? "", async (tx, audit, access) => {
    const before = await readAccount(tx, orgId, id);
    await changeServiceMember(tx, audit, access, before.member_id, role_id);
    const wanted = {
      id,
      name: name ?? before.name,
      description: description === undefined ? before.description : description,
      is_active: is_active ?? before.is_active,
    };
    const own = ["name", "description", "is_active"] as const;
    if (own.some((field) => wanted[field] !== before[field])) {
      await queries.updateAccount(tx, wanted);
    }
    const after = await readAccount(tx, orgId, id);
    const changes = diffFields(before, after, auditedFields);
    if (Object.keys(changes).length > 0) {
      audit({ action: "service_account.updated", target: targetOf(after), changes });
    }
    if (after.is_active !== before.is_active) {
      const action = after.is_active
        ? ("service_account.reactivated" as const)
        : ("service_account.deactivated" as const);
      audit({ action, target: targetOf(after) });
    }
    return after;
  });
  // Keys are not visible in the transaction of an organization.
  const figures = await db.withSystem("count the keys of a service account", (tx) =>
    queries.readKeyFigures(tx, id),
  );
  return { ...changed, ...figures };
}

/**
 * Deletes an account, which must not have more permissions than the caller, and revokes its keys.
 * @throws AppError 403 `privilege_escalation`; 404
 */
export async function deleteAccount(db: Database, context: OrgContext, id: string): Promise<void> {
  const { orgId } = context;
  await db.systemChange(context, async (tx, audit) => {
    await lockOrganizations(tx, [orgId]);
    const access = await context.judge(tx);
    const account = await readAccount(tx, orgId, id);
    await removeServiceMember(tx, (event) => audit(orgId, event), access, account.member_id);
    await revokeKeysOf(tx, audit, id);
    await queries.markDeleted(tx, id);
    audit(orgId, {
      action: "service_account.deleted",
      target: targetOf(account),
      changes: diffFields(account, null, auditedFields),
    });
  });
}

/**
 * Runs a change of accounts in a transaction that sees the organization alone: roles of others do not exist in it.
 * @param name of the account, for the error
 */
async function change<Result>(
  context: OrgContext,
  name: string,
  work: (tx: Queryable, audit: AuditWriter, access: Access) => Promise<Result>,
): Promise<Result> {
  try {
    return await context.change(work);
  } catch (error) {
    if (violatedConstraint(error) !== "service_accounts_org_name_key") throw error;
    throw new AppError(
      "name_taken",
      `A service account "${name}" exists here; choose another name.`,
      {
        errors: [
          { loc: ["body", "name"], msg: "is taken in this organization", type: "name_taken" },
        ],
      },
    );
  }
}
