import { sql } from "drizzle-orm";
import type { DiskUsage } from "#shared/api/organization/usage.js";
import { isoInstant } from "../../../db/tables/columns.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { repositoryDiskUsage, workspaceDiskUsage } from "../../../db/tables/workspace-tables.js";

/** A workspace folder or a project repository due for measurement. */
export interface Due {
  kind: "workspace" | "repository";
  org_id: string;
  /** The agent's or the project's id. */
  id: string;
}

/**
 * Lists the node's own folders that were never measured or longer than `minutes` ago, oldest first, in all
 * organizations visible to the transaction.
 * @param except ids that are left out
 */
export async function listDue(
  tx: Queryable,
  nodeId: string,
  minutes: number,
  limit: number,
  except: readonly string[],
): Promise<Due[]> {
  const { rows } = await tx.execute<Due & Record<string, unknown>>(sql`
    select kind, org_id, id from (
      select 'workspace' as kind, w.org_id, w.agent_id as id, u.measured_at
        from workspaces w join projects p on p.id = w.project_id and p.home_node = ${nodeId}
        left join workspace_disk_usage u on u.agent_id = w.agent_id
        where w.status = 'active' and w.workspace_type = 'local'
      union all
      select 'repository', p.org_id, p.id, u.measured_at
        from projects p left join repository_disk_usage u on u.project_id = p.id
        where p.status = 'ready' and p.deleted_at is null and p.home_node = ${nodeId}) all_of_it
    where (measured_at is null or measured_at < now() - make_interval(mins => ${minutes}))
      and id <> all(${sql.param(except)}::uuid[])
    order by measured_at nulls first limit ${limit}`);
  return rows;
}

export async function recordWorkspace(
  tx: Queryable,
  values: { org_id: string; agent_id: string; bytes: number },
): Promise<void> {
  await tx
    .insert(workspaceDiskUsage)
    .values(values)
    .onConflictDoUpdate({
      target: workspaceDiskUsage.agent_id,
      set: { bytes: values.bytes, measured_at: sql`now()` },
    });
}

export async function recordRepository(
  tx: Queryable,
  values: { org_id: string; project_id: string; bytes: number; layers_bytes: number },
): Promise<void> {
  const { bytes, layers_bytes } = values;
  await tx
    .insert(repositoryDiskUsage)
    .values(values)
    .onConflictDoUpdate({
      target: repositoryDiskUsage.project_id,
      set: { bytes, layers_bytes, measured_at: sql`now()` },
    });
}

/** Returns the measured sizes of the organization's projects, largest first. */
export async function readProjects(tx: Queryable): Promise<DiskUsage["projects"]> {
  const { rows } = await tx.execute<{
    project_id: string;
    project_name: string;
    workspaces_bytes: number;
    repositories_bytes: number;
    layers_bytes: number;
    measured_at: string | null;
  }>(sql`
    select p.id as project_id, p.name as project_name,
      coalesce(w.bytes, 0)::float8 as workspaces_bytes,
      coalesce(r.bytes, 0)::float8 as repositories_bytes,
      coalesce(r.layers_bytes, 0)::float8 as layers_bytes,
      least(w.measured_at, r.measured_at) as measured_at
    from projects p
    left join repository_disk_usage r on r.project_id = p.id
    left join (
      select s.project_id, sum(u.bytes) as bytes, min(u.measured_at) as measured_at
      from workspaces s join workspace_disk_usage u on u.agent_id = s.agent_id
      where s.status = 'active' group by s.project_id) w on w.project_id = p.id
    where p.deleted_at is null
    order by coalesce(w.bytes, 0) + coalesce(r.bytes, 0) + coalesce(r.layers_bytes, 0) desc, p.name`);
  return rows.map((row) => ({
    ...row,
    measured_at: row.measured_at === null ? null : isoInstant(row.measured_at),
  }));
}
