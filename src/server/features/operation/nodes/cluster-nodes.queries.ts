import { sql, type SQL } from "drizzle-orm";
import type { ClusterNode } from "#shared/api/operation/nodes.js";
import { isoInstant } from "../../../db/tables/columns.js";
import type { Queryable } from "../../../db/connection/connect.js";

interface Row extends Record<string, unknown>, Omit<ClusterNode, "lease_until" | "started_at"> {
  lease_until: string | null;
  started_at: string | null;
}

const statusOf = sql`case when n.lease_until is null or n.lease_until <= clock_timestamp() then 'unavailable'
  when n.draining then 'draining' else 'active' end`;

/** Counts the nodes by status. */
export const nodesByStatus = sql`
  select array[${statusOf}] as labels, count(*)::float8 as value from nodes n group by 1`;

/**
 * The projects and the running runs are counted once for all nodes of a page.
 * @param page what follows `from nodes`
 */
const selectNodes = (page: SQL): SQL => sql`
  with page as materialized (select * from nodes ${page}),
  homes as (
    select p.home_node as id, count(*)::int as count from projects p
    where p.home_node in (select id from page) and p.deleted_at is null group by 1
  ),
  busy as (
    select p.home_node as id, count(*)::int as count
    from (
      select coalesce(r.project_id, (select a.project_id from agents a where a.id = r.agent_id)) as project_id
      from runs r where r.status = 'running'
    ) r join projects p on p.id = r.project_id group by 1
  )
  select n.id, n.name, n.url, n.draining, n.host, n.version,
    ${statusOf} as status,
    coalesce(homes.count, 0) as projects, coalesce(busy.count, 0) as running,
    n.disk_total_bytes::float8, n.disk_free_bytes::float8, n.load, n.processors,
    n.epoch::int, n.lease_until, n.started_at
  from page n left join homes on homes.id = n.id left join busy on busy.id = n.id
  order by n.name`;

/** Lists nodes by name, after the given one. */
export async function listClusterNodes(
  tx: Queryable,
  after: string | null,
  limit: number,
): Promise<ClusterNode[]> {
  const rest = after === null ? sql`` : sql`where name > ${after}`;
  const { rows } = await tx.execute<Row>(selectNodes(sql`${rest} order by name limit ${limit}`));
  return rows.map(nodeOf);
}

/** Finds a node by its id or name. */
export async function findClusterNode(
  tx: Queryable,
  by: { id: string } | { name: string },
): Promise<ClusterNode | undefined> {
  const isWanted = "id" in by ? sql`id = ${by.id}` : sql`name = ${by.name}`;
  const { rows } = await tx.execute<Row>(selectNodes(sql`where ${isWanted}`));
  return rows[0] && nodeOf(rows[0]);
}

export async function hasNode(tx: Queryable, id: string): Promise<boolean> {
  const { rows } = await tx.execute(sql`select from nodes where id = ${id}`);
  return rows.length > 0;
}

/** Whether another node than this one gets new projects. */
export async function hasOtherActiveNode(tx: Queryable, id: string): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    select from nodes where id <> ${id} and not draining limit 1`);
  return rows.length > 0;
}

export async function setDraining(tx: Queryable, id: string, draining: boolean): Promise<void> {
  await tx.execute(sql`update nodes set draining = ${draining} where id = ${id}`);
}

function nodeOf({ lease_until, started_at, ...row }: Row): ClusterNode {
  return {
    ...row,
    lease_until: lease_until && isoInstant(lease_until),
    started_at: started_at && isoInstant(started_at),
  };
}
