import { sql } from "drizzle-orm";
import { deletedUser } from "#shared/organization/audit.js";
import { recordInstallationEvent } from "../../../db/audit/installation-audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { lockOrganizations } from "../../../db/connection/tenant.js";
import { AppError } from "../../../errors.js";
import { revokeKeysOf } from "../api-keys/index.js";
import { removeSignInMethods } from "../auth/index.js";
import { leaveOrganizations } from "../../organization/members/index.js";
import {
  requireRemainingSuperAdmin,
  lockUserDetail,
  readUser,
  type AdminContext,
  type UserReference,
} from "./manage-user.js";

/**
 * Deletes a user. The row stays, without personal data, because audit logs and runs refer to it and
 * show "Deleted user". Commits keep their authors, which are part of their ids.
 * @throws AppError 404; 409 `last_owner` naming the organizations, `last_super_admin`
 */
export async function deleteUser(
  { change, origin }: AdminContext,
  by: UserReference,
): Promise<void> {
  await change(async (tx, audit) => {
    const before = await readUser(tx, by);
    await lockOrganizations(
      tx,
      before.memberships.map(({ organization_id }) => organization_id),
    );
    const user = await lockUserDetail(tx, { id: before.id });
    await requireRemainingSuperAdmin(tx, user);
    const owned = user.memberships.filter(({ is_last_owner }) => is_last_owner);
    if (owned.length > 0) {
      const names = owned.map(({ organization_name }) => `"${organization_name}"`).join(", ");
      throw new AppError(
        "last_owner",
        `${user.email} is the last owner of ${names}; make another member an owner first.`,
        { organizations: owned.map(({ organization_id }) => organization_id) },
      );
    }
    await redactAuditTargets(tx, user);
    await leaveOrganizations(tx, audit, user.id, deletedUser);
    await removeSignInMethods(tx, user.id);
    await revokeKeysOf(tx, audit, user.id);
    await erasePersonalData(tx, user);
    await recordInstallationEvent(tx, origin, {
      action: "user.deleted",
      target: { type: "user", id: user.id, name: deletedUser },
      changes: {},
    });
  });
}

/** Records the memberships and invitations by which audit events name the user. */
async function redactAuditTargets(
  tx: Queryable,
  { id, email }: { id: string; email: string },
): Promise<void> {
  await tx.execute(sql`
    insert into redacted_audit_targets (org_id, target_id)
    select org_id, id from memberships where user_id = ${id}
    union select org_id, id from invitations where email = ${email}
    union select org_id, (target ->> 'id')::uuid from audit_events
      where target ->> 'type' = 'member'
        and ${id} in (changes #>> '{user_id,to}', changes #>> '{user_id,from}')
    on conflict do nothing`);
}

/** Erases personal data from rows that are kept because others refer to them. */
async function erasePersonalData(
  tx: Queryable,
  { id, email }: { id: string; email: string },
): Promise<void> {
  const placeholder = `deleted-${id}@deleted.invalid`;
  const statements = [
    sql`delete from accounts where user_id = ${id}`,
    sql`delete from sessions where user_id = ${id}`,
    sql`delete from email_tokens where user_id = ${id}`,
    sql`delete from device_logins where user_id = ${id}`,
    sql`delete from notifications where user_id = ${id}`,
    sql`delete from notification_choices where user_id = ${id}`,
    sql`delete from notification_webhooks where user_id = ${id}`,
    sql`delete from idempotency_keys where user_id = ${id}`,
    sql`delete from rate_limits where position(${email} in bucket) > 0 or position(${id} in bucket) > 0`,
    sql`update api_keys set name = ${deletedUser}, description = null, last_used_ip = null,
      allowed_ips = null where user_id = ${id}`,
    sql`update invitations set email = ${placeholder},
      revoked_at = case when accepted_at is null then coalesce(revoked_at, now()) end
      where email = ${email}`,
    sql`update runs set started_by = jsonb_set(started_by, '{name}', to_jsonb(${deletedUser}::text))
      where started_by ->> 'id' = ${id}`,
    sql`update events set data = jsonb_set(data, '{actor,name}', to_jsonb(${deletedUser}::text))
      where data #>> '{actor,id}' = ${id}`,
    sql`update events set data = jsonb_set(data, '{subject,name}', to_jsonb(${deletedUser}::text))
      where subject_id in (select target_id from redacted_audit_targets where org_id = events.org_id)`,
    sql`update users set email = ${placeholder}, full_name = ${deletedUser}, department = null,
      attributes = '{}', is_active = false, is_verified = false, is_super_admin = false,
      password_unproven = false, last_login_at = null, deleted_at = now(), updated_at = now()
      where id = ${id}`,
  ];
  for (const statement of statements) await tx.execute(statement);
}
