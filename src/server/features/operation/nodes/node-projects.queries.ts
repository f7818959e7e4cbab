import { sql } from "drizzle-orm";
import type { NodeProject } from "#shared/api/operation/nodes.js";
import type { ProjectMove } from "#shared/api/operation/project-moves.js";
import { isoInstant } from "../../../db/tables/columns.js";
import type { Queryable } from "../../../db/connection/connect.js";

type Move = Omit<ProjectMove, "project_id" | "from" | "to" | "state">;

/** The columns of the move are null where a project was never moved. */
interface Row extends Record<string, unknown>, Omit<NodeProject, "organization" | "move">, Move {
  org_id: string;
  org_name: string;
  org_slug: string;
  state: ProjectMove["state"] | null;
  from_node: string;
  from_name: string;
  to_node: string;
  to_name: string;
}

/**
 * Lists the projects whose home is a node, and those with an unfinished move from or to it, by id after the given
 * one. Only the rows of the page are joined.
 */
export async function listNodeProjects(
  tx: Queryable,
  nodeId: string,
  after: string | null,
  limit: number,
): Promise<NodeProject[]> {
  const isAfter = after === null ? sql`true` : sql`p.id > ${after}`;
  const { rows } = await tx.execute<Row>(sql`
    with page as materialized (
      (select p.id from projects p
        where p.home_node = ${nodeId} and p.deleted_at is null and ${isAfter}
        order by p.id limit ${limit})
      union
      (select p.id from project_moves m join projects p on p.id = m.project_id
        where m.state in ('copying', 'freezing', 'switching', 'cleaning')
          and ${nodeId}::uuid in (m.from_node, m.to_node) and p.deleted_at is null and ${isAfter}
        order by p.id limit ${limit})
      order by id limit ${limit}
    ), running as materialized (
      select coalesce(r.project_id, a.project_id) as project_id, count(*)::int as runs
      from runs r left join agents a on a.id = r.agent_id
      where r.status = 'running' and r.ended_at is null group by 1
    )
    select p.id, p.name, p.slug, p.org_id, o.name as org_name, o.slug as org_slug,
      (select count(*)::int from agents a where a.project_id = p.id and a.terminated_at is null)
        as agents,
      coalesce(running.runs, 0) as running,
      m.state, m.from_node, f.name as from_name, m.to_node, t.name as to_name, m.started_at,
      m.frozen_at, m.switched_at, m.finished_at, m.error, m.bytes_total::float8,
      m.bytes_copied::float8
    from page join projects p on p.id = page.id join organizations o on o.id = p.org_id
    left join running on running.project_id = p.id
    left join project_moves m on m.project_id = p.id
    left join nodes f on f.id = m.from_node left join nodes t on t.id = m.to_node
    order by p.id`);
  return rows.map(projectOf);
}

function projectOf(row: Row): NodeProject {
  const { id, name, slug, agents, running, org_id, org_name, org_slug } = row;
  const organization = { id: org_id, name: org_name, slug: org_slug };
  return { id, name, slug, organization, agents, running, move: moveOf(row) };
}

function moveOf(row: Row): ProjectMove | null {
  if (row.state === null) return null;
  const at = (time: string | null): string | null => time && isoInstant(time);
  return {
    project_id: row.id,
    from: { id: row.from_node, name: row.from_name },
    to: { id: row.to_node, name: row.to_name },
    state: row.state,
    started_at: isoInstant(row.started_at),
    frozen_at: at(row.frozen_at),
    switched_at: at(row.switched_at),
    finished_at: at(row.finished_at),
    error: row.error,
    bytes_total: row.bytes_total,
    bytes_copied: row.bytes_copied,
  };
}
