/** Archived workspaces. */
import { and, eq, notInArray, sql } from "drizzle-orm";
import { newId } from "../../../../db/tables/columns.js";
import { isHome } from "../../../../cluster/home-of.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { agents, runs } from "../../../../db/tables/tables.js";
import { cancelRequestsOf } from "../queue/merge-requests.queries.js";
import { archives, workspaces } from "../../../../db/tables/workspace-tables.js";

export interface Archive {
  id: string;
  org_id: string;
  project_id: string;
  agent_id: string;
  tip: string;
}

const archiveColumns = {
  id: archives.id,
  org_id: archives.org_id,
  project_id: archives.project_id,
  agent_id: archives.agent_id,
  tip: archives.tip,
};

/** Whether the agent has an active run. With the organization's row locked, the answer stays valid. */
export async function isRunning(tx: Queryable, agentId: string): Promise<boolean> {
  const rows = await tx
    .select({ id: runs.id })
    .from(runs)
    .where(
      and(
        eq(runs.agent_id, agentId),
        eq(runs.status, "running"),
        notInArray(runs.kind, ["check", "review"]),
      ),
    );
  return rows.length > 0;
}

/** Whether the agent is not terminated. With the organization's row locked, the answer stays valid. */
export async function isAlive(tx: Queryable, agentId: string): Promise<boolean> {
  const [row] = await tx
    .select({ terminated_at: agents.terminated_at })
    .from(agents)
    .where(eq(agents.id, agentId));
  return row?.terminated_at === null;
}

/** Records that an active workspace is being archived at its head. */
export async function beginArchiving(
  tx: Queryable,
  workspace: { org_id: string; project_id: string; agent_id: string; head_commit: string },
): Promise<void> {
  const { org_id, project_id, agent_id, head_commit: tip } = workspace;
  const id = newId();
  await tx.insert(archives).values({ id, org_id, project_id, agent_id, tip });
  await tx
    .update(workspaces)
    .set({ status: "archiving", archive_id: id, error: null, updated_at: sql`now()` })
    .where(eq(workspaces.agent_id, agent_id));
  await cancelRequestsOf(tx, agent_id, "Its workspace was archived.");
}

/** Records that an archived workspace is being restored. Returns false in another state. */
export async function beginRestoring(tx: Queryable, agentId: string): Promise<boolean> {
  const begun = await tx
    .update(workspaces)
    .set({ status: "restoring", error: null, updated_at: sql`now()` })
    .where(and(eq(workspaces.agent_id, agentId), eq(workspaces.status, "archived")))
    .returning({ agent_id: workspaces.agent_id });
  return begun.length === 1;
}

/** Records that an archived workspace has expired. Returns false if it is being restored. */
export async function expireWorkspace(tx: Queryable, agentId: string): Promise<boolean> {
  const expired = await tx
    .update(workspaces)
    .set({ status: "expired", archive_id: null, updated_at: sql`now()` })
    .where(and(eq(workspaces.agent_id, agentId), eq(workspaces.status, "archived")))
    .returning({ agent_id: workspaces.agent_id });
  return expired.length === 1;
}

export async function findArchive(tx: Queryable, id: string): Promise<Archive | undefined> {
  const [row] = await tx.select(archiveColumns).from(archives).where(eq(archives.id, id));
  return row;
}

export async function deleteArchive(tx: Queryable, id: string): Promise<void> {
  await tx.delete(archives).where(eq(archives.id, id));
}

/** Lists archives of a node past their retention. Requires a system transaction. */
export async function listEndedArchives(db: Queryable, nodeId: string): Promise<Archive[]> {
  return db
    .select(archiveColumns)
    .from(archives)
    .innerJoin(workspaces, eq(workspaces.agent_id, archives.agent_id))
    .where(
      and(
        isHome(nodeId, archives.project_id),
        sql`${archives.archived_at} + make_interval(days => ${workspaces.retention_days}) <= now()`,
      ),
    )
    .orderBy(archives.archived_at);
}

/** Deletes an agent's archives: a deleted project cannot be restored. */
export async function deleteArchivesOf(tx: Queryable, agentId: string): Promise<void> {
  await tx.delete(archives).where(eq(archives.agent_id, agentId));
}
