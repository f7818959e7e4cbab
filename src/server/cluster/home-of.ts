/** The home of a project: the node whose disk has its repository, its workspaces and its logs. */
import { sql, type SQL, type SQLWrapper } from "drizzle-orm";
import type { Database, Queryable } from "../db/connection/connect.js";

/** Whether a node is the home of a project. Work on the disk is for the projects of its own node only. */
export const isHome = (nodeId: string, projectId: SQLWrapper): SQL =>
  sql`exists (select from projects home where home.id = ${projectId} and home.home_node = ${nodeId}::uuid)`;

/** Like `isHome`, for the project of an agent. */
export const isHomeOfAgent = (nodeId: string, agentId: SQLWrapper): SQL =>
  sql`exists (select from agents own join projects home on home.id = own.project_id
    where own.id = ${agentId} and home.home_node = ${nodeId}::uuid)`;

/**
 * Whether a node may start runs: it has a sandbox and a lease. Neither matters without a cluster.
 * @param node alias of the row of the node
 */
export const takesRuns = (node: string): string =>
  `(${node}.url is null or (${node}.runs_commands and ${node}.lease_until > clock_timestamp()))`;

/** In place of a node's id: the project is moving from one node to another. No node has this id. */
export const IN_TRANSIT = "in transit";

/** Returns the home of a project, which is `IN_TRANSIT` between two nodes; null for an unknown project. */
export async function readHome(tx: Queryable, projectId: string): Promise<string | null> {
  const { rows } = await tx.execute<{ home_node: string | null }>(
    sql`select home_node from projects where id = ${projectId}`,
  );
  const [row] = rows;
  return row ? (row.home_node ?? IN_TRANSIT) : null;
}

/** Like `readHome`, in a transaction of its own. */
export function homeOf(db: Database, projectId: string): Promise<string | null> {
  return db.withSystem("find the home of a project", (tx) => readHome(tx, projectId));
}
