import { sql, type SQL } from "drizzle-orm";
import type { AdminUser, AdminUserDetail } from "#shared/api/operation/admin.js";
import { isoInstant } from "../../../db/tables/columns.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { systemRoleIds } from "../../../db/migrate.js";

const userColumns = sql`
  u.id, u.email, u.full_name, u.department, u.is_active, u.is_verified, u.is_super_admin,
  u.created_at, u.last_login_at, u.deleted_at,
  (select count(*)::int from memberships m where m.user_id = u.id) as organizations,
  (select count(*)::int from sessions s where s.user_id = u.id and s.revoked_at is null
    and s.expires_at > now()) as sessions,
  (select count(*)::int from api_keys k where k.user_id = u.id and k.revoked_at is null
    and (k.expires_at is null or k.expires_at > now())) as api_keys,
  (exists (select from totp_secrets t where t.user_id = u.id and t.confirmed_at is not null)
    or exists (select from passkeys p where p.user_id = u.id)) as has_second_factor`;

export interface UserFilter {
  search?: string | undefined;
  is_active?: boolean | undefined;
  is_super_admin?: boolean | undefined;
}

/** Lists people, newest first, after the given id, without deleted ones. Service accounts belong to organizations. */
export async function listUsers(
  tx: Queryable,
  { search, is_active, is_super_admin }: UserFilter,
  after: string | null,
  limit: number,
): Promise<AdminUser[]> {
  const pattern = search === undefined ? null : `%${search.replaceAll(/[\\%_]/g, "\\$&")}%`;
  const conditions: SQL[] = [sql`u.deleted_at is null and u.kind = 'person'`];
  if (pattern !== null) {
    conditions.push(sql`(u.email ilike ${pattern} or u.full_name ilike ${pattern})`);
  }
  if (is_active !== undefined) conditions.push(sql`u.is_active = ${is_active}`);
  if (is_super_admin !== undefined) conditions.push(sql`u.is_super_admin = ${is_super_admin}`);
  if (after !== null) conditions.push(sql`u.id < ${after}`);
  const { rows } = await tx.execute<AdminUser & Record<string, unknown>>(sql`
    select ${userColumns} from users u where ${sql.join(conditions, sql` and `)}
    order by u.id desc limit ${limit}`);
  return rows.map(withTimes);
}

/** Finds a person who is not deleted, by id or email address, with memberships. */
export async function findUser(
  tx: Queryable,
  by: { id: string } | { email: string },
): Promise<AdminUserDetail | undefined> {
  const which = "id" in by ? sql`u.id = ${by.id}` : sql`u.email = ${by.email.toLowerCase()}`;
  const { rows } = await tx.execute<AdminUser & Record<string, unknown>>(sql`
    select ${userColumns} from users u where ${which} and u.deleted_at is null and u.kind = 'person'`);
  const user = rows[0] && withTimes(rows[0]);
  if (!user) return undefined;
  return { ...user, memberships: await listMemberships(tx, user.id) };
}

async function listMemberships(
  tx: Queryable,
  userId: string,
): Promise<AdminUserDetail["memberships"]> {
  const owner = systemRoleIds.owner;
  const { rows } = await tx.execute<
    AdminUserDetail["memberships"][number] & Record<string, unknown>
  >(sql`
    select o.id as organization_id, o.name as organization_name, o.slug as organization_slug,
      r.name as role_name,
      m.role_id = ${owner} and not exists (select from memberships x where x.org_id = m.org_id
        and x.role_id = ${owner} and x.user_id is not null and x.user_id <> ${userId})
        as is_last_owner
    from memberships m join organizations o on o.id = m.org_id join roles r on r.id = m.role_id
    where m.user_id = ${userId} order by o.name, o.id`);
  return rows;
}

/** Locks the active super admins' rows until the transaction ends and returns their ids. */
export async function lockSuperAdmins(tx: Queryable): Promise<string[]> {
  const { rows } = await tx.execute<{ id: string }>(sql`
    select id from users where is_super_admin and is_active order by id for no key update`);
  return rows.map(({ id }) => id);
}

/** Sets the flags that a super admin can change. */
export async function setFlags(
  tx: Queryable,
  userId: string,
  flags: { is_active?: boolean; is_super_admin?: boolean },
): Promise<void> {
  const { is_active = null, is_super_admin = null } = flags;
  await tx.execute(sql`
    update users set is_active = coalesce(${is_active}::boolean, is_active),
      is_super_admin = coalesce(${is_super_admin}::boolean, is_super_admin), updated_at = now()
    where id = ${userId}`);
}

function withTimes(row: AdminUser & Record<string, unknown>): AdminUser {
  const time = (value: string | null): string | null => value && isoInstant(value);
  return {
    ...row,
    created_at: isoInstant(row.created_at),
    last_login_at: time(row.last_login_at),
    deleted_at: time(row.deleted_at),
  };
}
