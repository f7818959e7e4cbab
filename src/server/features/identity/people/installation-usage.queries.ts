import { sql } from "drizzle-orm";
import type { InstallationUsage, OrganizationUsage } from "#shared/api/operation/admin.js";
import { isoInstant } from "../../../db/tables/columns.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { usageColumns } from "../../organization/usage/index.js";

const disk = `(select coalesce(sum(bytes), 0)::float8 from workspace_disk_usage d where d.org_id = o.id)
  + (select coalesce(sum(bytes + layers_bytes), 0)::float8
    from repository_disk_usage d where d.org_id = o.id)`;

interface Row extends Record<string, unknown>, Omit<OrganizationUsage, "running_agents"> {
  running: number;
  hours: number;
}

/** Lists organizations' usage in the current month, newest organization first, after the given id. */
export async function listOrganizationUsage(
  tx: Queryable,
  after: string | null,
  limit: number,
): Promise<OrganizationUsage[]> {
  const { rows } = await tx.execute<Row>(sql`
    select o.id, o.name, o.slug, o.archived_at is null as is_active,
      (select count(*)::int from memberships m join users u on u.id = m.user_id and u.kind = 'person'
        where m.org_id = o.id) as members,
      (select count(*)::int from projects p where p.org_id = o.id and p.deleted_at is null)
        as projects,
      (select count(*)::int from agents a where a.org_id = o.id and a.terminated_at is null)
        as agents,
      ${sql.raw(usageColumns("o.id"))}, ${sql.raw(disk)} as disk_bytes
    from organizations o
    where ${after === null ? sql`true` : sql`o.id < ${after}`}
    order by o.id desc limit ${limit}`);
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    slug: row.slug,
    is_active: row.is_active,
    members: row.members,
    projects: row.projects,
    agents: row.agents,
    running_agents: row.running,
    runtime_hours: row.hours,
    disk_bytes: row.disk_bytes,
  }));
}

/** Returns the whole installation's usage in the current month. */
export async function readInstallationUsage(tx: Queryable): Promise<InstallationUsage> {
  const { rows } = await tx.execute<Record<string, number> & { start: string; over: string }>(sql`
    select (date_trunc('month', now() at time zone 'UTC') at time zone 'UTC') as start,
      (date_trunc('month', now() at time zone 'UTC') + interval '1 month') at time zone 'UTC' as over,
      (select count(*)::int from users where deleted_at is null and kind = 'person') as total,
      (select count(*)::int from users where is_active and kind = 'person') as active,
      (select count(*)::int from users where is_super_admin) as super_admins,
      (select count(*)::int from projects where deleted_at is null) as projects,
      (select count(*)::int from agents where terminated_at is null) as agents,
      count(*)::int as organizations, coalesce(sum(running), 0)::int as running,
      coalesce(sum(hours), 0)::float8 as hours, coalesce(sum(disk_bytes), 0)::float8 as disk_bytes
    from (select ${sql.raw(usageColumns("o.id"))}, ${sql.raw(disk)} as disk_bytes
      from organizations o) as each`);
  const row = rows[0] as Record<string, number> & { start: string; over: string };
  const figure = (name: string): number => Number(row[name]);
  return {
    period_start: isoInstant(row.start),
    period_end: isoInstant(row.over),
    users: {
      total: figure("total"),
      active: figure("active"),
      super_admins: figure("super_admins"),
    },
    organizations: figure("organizations"),
    projects: figure("projects"),
    agents: figure("agents"),
    running_agents: figure("running"),
    runtime_hours: figure("hours"),
    disk_bytes: figure("disk_bytes"),
  };
}
