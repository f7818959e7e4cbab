import { asc, eq, isNotNull, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import type { Role } from "#shared/api/roles.js";
import type { Queryable } from "../../db/connect.js";
import { roles } from "../../db/tables.js";

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
  // Row-level security has this count the members of the organization at hand alone.
  member_count: sql<number>`(select count(*)::int from memberships m where m.role_id = ${roles.id})`,
  created_at: roles.created_at,
};

/** The system roles and the organization's own, system roles first. */
export function listRoles(tx: Queryable, includeSystem: boolean): Promise<Role[]> {
  return tx
    .select(roleColumns)
    .from(roles)
    .leftJoin(parents, eq(parents.id, roles.inherits_from))
    .where(includeSystem ? undefined : isNotNull(roles.org_id))
    .orderBy(sql`${roles.org_id} is not null`, asc(roles.id));
}

export async function findRole(tx: Queryable, roleId: string): Promise<Role | undefined> {
  const [role] = await tx
    .select(roleColumns)
    .from(roles)
    .leftJoin(parents, eq(parents.id, roles.inherits_from))
    .where(eq(roles.id, roleId));
  return role;
}
