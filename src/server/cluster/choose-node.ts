import { sql } from "drizzle-orm";
import type { Queryable } from "../db/connection/connect.js";
import type { RegisteredNode } from "./nodes.queries.js";

/** The part of the largest free space within which free spaces count as equal. */
const SAME_ROOM = 0.05;

/**
 * Orders the nodes that may take a new project, the one with the most room first: free space of the disk, then the
 * number of projects. Nodes without a lease and draining ones are left out.
 */
export function orderByRoom(
  nodes: readonly RegisteredNode[],
  projects: ReadonlyMap<string, number>,
): RegisteredNode[] {
  const waiting = nodes.filter(({ is_leased, draining }) => is_leased && !draining);
  const free = ({ disk_free_bytes }: RegisteredNode): number => disk_free_bytes ?? 0;
  const count = ({ id }: RegisteredNode): number => projects.get(id) ?? 0;
  const ordered: RegisteredNode[] = [];
  while (waiting.length > 0) {
    const most = Math.max(...waiting.map(free));
    const [next] = waiting
      .filter((node) => free(node) >= most * (1 - SAME_ROOM))
      .toSorted((a, b) => count(a) - count(b) || free(b) - free(a));
    if (!next) break;
    ordered.push(next);
    waiting.splice(waiting.indexOf(next), 1);
  }
  return ordered;
}

/** Returns the number of projects by node. */
export async function countProjects(tx: Queryable): Promise<Map<string, number>> {
  const { rows } = await tx.execute<{ home_node: string; projects: number }>(sql`
    select home_node, count(*)::int as projects from projects where deleted_at is null group by home_node`);
  return new Map(rows.map(({ home_node, projects }) => [home_node, projects]));
}
