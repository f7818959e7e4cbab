import { sql } from "drizzle-orm";
import type { UserExport } from "#shared/api/operation/admin.js";
import { recordInstallationEvent } from "../../../db/audit/installation-audit.js";
import { isoInstant } from "../../../db/tables/columns.js";
import type { Queryable } from "../../../db/connection/connect.js";
import {
  lockUserDetail,
  userTarget,
  type AdminContext,
  type UserReference,
} from "./manage-user.js";

/**
 * Returns everything the installation stores about a user, without passwords, keys and secrets, and of
 * the audit logs only the user's own actions.
 * @throws AppError 404
 */
export async function exportUser(
  { change, origin }: AdminContext,
  by: UserReference,
): Promise<UserExport> {
  return change(async (tx) => {
    const user = await lockUserDetail(tx, by);
    const data = await readExport(tx, user);
    await recordInstallationEvent(tx, origin, {
      action: "user.exported",
      target: userTarget(user),
      changes: {},
    });
    return data;
  });
}

async function readExport(
  tx: Queryable,
  { id, email }: { id: string; email: string },
): Promise<UserExport> {
  const list = async (query: ReturnType<typeof sql>): Promise<Record<string, unknown>[]> =>
    (
      await tx.execute<{ row: Record<string, unknown> }>(
        sql`select to_jsonb(found) as row from (${query}) found`,
      )
    ).rows.map(({ row }) => row);
  const [person] = (
    await tx.execute<UserExport["user"] & Record<string, unknown>>(sql`
      select id, email, full_name, department, attributes, is_active, is_verified, is_super_admin,
        created_at, updated_at, last_login_at from users where id = ${id}`)
  ).rows;
  if (!person) throw new Error("the user no longer exists");
  const { created_at, updated_at, last_login_at } = person;
  return {
    exported_at: new Date().toISOString(),
    user: {
      ...person,
      created_at: isoInstant(created_at),
      updated_at: isoInstant(updated_at),
      last_login_at: last_login_at && isoInstant(last_login_at),
    },
    sign_in_methods: await list(sql`
      select 'password' as kind, null as name, created_at from accounts
        where user_id = ${id} and provider_id = 'password'
      union all select 'identity provider', provider_id, created_at from accounts
        where user_id = ${id} and provider_id <> 'password'
      union all select 'passkey', name, created_at from passkeys where user_id = ${id}
      union all select 'authenticator app', null, confirmed_at from totp_secrets
        where user_id = ${id} and confirmed_at is not null`),
    sessions: await list(sql`
      select id, ip, user_agent, created_at, last_used_at, expires_at, revoked_at
      from sessions where user_id = ${id} order by id`),
    api_keys: await list(sql`
      select id, name, description, key_hint, scopes, allowed_ips, created_at, last_used_at,
        last_used_ip, expires_at, revoked_at from api_keys where user_id = ${id} order by id`),
    memberships: await list(sql`
      select o.id as organization_id, o.name as organization_name, r.name as role, m.joined_at
      from memberships m join organizations o on o.id = m.org_id join roles r on r.id = m.role_id
      where m.user_id = ${id} order by m.joined_at`),
    invitations: await list(sql`
      select i.id, o.name as organization_name, i.email, i.role_name, i.created_at, i.accepted_at,
        i.revoked_at, i.expires_at
      from invitations i join organizations o on o.id = i.org_id
      where i.email = ${email} or i.invited_by = ${id} order by i.id`),
    notification_choices: await list(sql`
      select o.name as organization_name, c.kind, c.email, c.webhook, c.scope from notification_choices c
      left join organizations o on o.id = c.org_id where c.user_id = ${id} order by o.name, c.kind`),
    notifications: await list(sql`
      select n.org_id as organization_id, n.kind, n.type, n.happened_at, d.channel, d.status, d.ended_at
      from notifications n join notification_deliveries d on d.notification_id = n.id
      where n.user_id = ${id} order by n.created_at, d.id`),
    audit_events: await list(sql`
      select org_id as organization_id, sequence, at, action, target, ip, changes from audit_events
      where actor ->> 'id' = ${id} order by at, org_id, sequence`),
  };
}
