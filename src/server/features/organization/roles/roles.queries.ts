import { and, asc, eq, gt, isNotNull, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import type { Role } from "#shared/api/organization/roles.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { roles } from "../../../db/tables/tables.js";

const parents = alias(roles, "parent");

const roleColumns = {
  id: roles.id,
  organization_id: roles.org_id,
  name: roles.name,
  description: roles.description,
  permissions: roles.permissions,
  is_system: sql<boolean>`${roles.org_id} is null`,
  inherits_from: parents.name,
  effective_permissions: sql<string[]>`role_patterns(${roles.id})`,
  // Row-level security limits the count to the current organization's members.
  member_count: sql<number>`(select count(*)::int from memberships m where m.role_id = ${roles.id})`,
  created_at: roles.created_at,
};

/** Lists the system roles, which have the lowest ids, then the organization's own, after the given id. */
export function listRoles(
  tx: Queryable,
  includeSystem: boolean,
  after: string | null,
  limit: number,
): Promise<Role[]> {
  return tx
    .select(roleColumns)
    .from(roles)
    .leftJoin(parents, eq(parents.id, roles.inherits_from))
    .where(
      and(
        includeSystem ? undefined : isNotNull(roles.org_id),
        after === null ? undefined : gt(roles.id, after),
      ),
    )
    .orderBy(asc(roles.id))
    .limit(limit);
}

export async function findRole(tx: Queryable, roleId: string): Promise<Role | undefined> {
  const [role] = await tx
    .select(roleColumns)
    .from(roles)
    .leftJoin(parents, eq(parents.id, roles.inherits_from))
    .where(eq(roles.id, roleId));
  return role;
}

/** Finds a role available to the organization, by id or name. */
export async function findRoleByReference(
  tx: Queryable,
  reference: string,
): Promise<{ id: string } | undefined> {
  const [row] = await tx
    .select({ id: roles.id })
    .from(roles)
    .where(sql`${roles.id}::text = ${reference} or ${roles.name} = ${reference}`)
    .orderBy(sql`${roles.id}::text = ${reference} desc`)
    .limit(1);
  return row;
}

/** @throws unique violation of `roles_org_name_key` */
export async function insertRole(tx: Queryable, values: typeof roles.$inferInsert): Promise<void> {
  await tx.insert(roles).values(values);
}

/** @throws unique violation of `roles_org_name_key` */
export async function updateRole(
  tx: Queryable,
  roleId: string,
  changes: Partial<typeof roles.$inferInsert>,
): Promise<void> {
  await tx.update(roles).set(changes).where(eq(roles.id, roleId));
}

export async function deleteRole(tx: Queryable, roleId: string): Promise<void> {
  await tx.delete(roles).where(eq(roles.id, roleId));
}

/** Whether a role is the other one or inherits from it, directly or indirectly. */
export async function inheritsFrom(
  tx: Queryable,
  roleId: string,
  ancestorId: string,
): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    with recursive chain as (
      select id, inherits_from from roles where id = ${roleId}
      union
      select r.id, r.inherits_from from roles r join chain c on r.id = c.inherits_from
    )
    select from chain where id = ${ancestorId}`);
  return rows.length > 0;
}

/** Returns the holders of a role: members by name, open invitations by address, and inheriting roles. */
export async function roleHolders(
  tx: Queryable,
  roleId: string,
): Promise<{ members: string[]; invitations: string[]; heirs: string[] }> {
  const { rows } = await tx.execute<{ kind: "member" | "invitation" | "heir"; name: string }>(sql`
    select 'member' as kind, coalesce(u.full_name, u.email, a.name) as name
    from memberships m left join users u on u.id = m.user_id left join agents a on a.id = m.agent_id
    where m.role_id = ${roleId}
    union all
    select 'invitation', email from invitations
    where role_id = ${roleId} and accepted_at is null and revoked_at is null and expires_at > now()
    union all
    select 'heir', name from roles where inherits_from = ${roleId}
    order by 1, 2`);
  const named = (kind: string): string[] =>
    rows.filter((row) => row.kind === kind).map((row) => row.name);
  return { members: named("member"), invitations: named("invitation"), heirs: named("heir") };
}
