import { and, asc, eq, gt, ne } from "drizzle-orm";
import type { WorkspaceItem } from "#shared/api/workspaces.js";
import type { Queryable } from "../../db/connect.js";
import { agents, workspaces } from "../../db/tables.js";
import { countApart } from "../../git/branches.js";
import type { OrgContext } from "../../http/mount.js";
import { isMerging } from "./repository.js";
import { branchRef, shownStatus, type WorkspaceDeps } from "./workspace.js";

/** How many gits count at once. */
const atOnce = 4;

/** A project's workspaces after a name of an agent, by name, each with how much is not merged yet. */
export async function listWorkspaces(
  deps: WorkspaceDeps,
  context: OrgContext,
  projectId: string,
  after: string,
  limit: number,
): Promise<WorkspaceItem[]> {
  const store = deps.storage.repository(context.orgId, projectId);
  const rows = await context.tx((tx) => selectWorkspaces(tx, projectId, after, limit));
  const items: WorkspaceItem[] = [];
  for (let from = 0; from < rows.length; from += atOnce) {
    const some = rows.slice(from, from + atOnce).map(async ({ status, is_merging, ...row }) => {
      const base = branchRef(row.base_branch);
      const isThere = row.head_commit !== null && status !== "archived";
      const apart = isThere ? await countApart(store, branchRef(row.branch_name), base) : null;
      return {
        ...row,
        status: shownStatus({ status, is_merging }),
        unmerged_commits: apart?.ahead ?? null,
      };
    });
    items.push(...(await Promise.all(some)));
  }
  return items;
}

async function selectWorkspaces(tx: Queryable, projectId: string, after: string, limit: number) {
  const rows = await tx
    .select({
      agent_id: workspaces.agent_id,
      agent_name: agents.name,
      branch_name: workspaces.branch_name,
      base_branch: workspaces.base_branch,
      workspace_type: workspaces.workspace_type,
      status: workspaces.status,
      is_merging: isMerging,
      head_commit: workspaces.head_commit,
      created_at: workspaces.created_at,
      updated_at: workspaces.updated_at,
    })
    .from(workspaces)
    .innerJoin(agents, eq(agents.id, workspaces.agent_id))
    .where(
      and(
        eq(workspaces.project_id, projectId),
        ne(workspaces.status, "expired"),
        eq(agents.name_released, false),
        gt(agents.name, after),
      ),
    )
    .orderBy(asc(agents.name))
    .limit(limit);
  return rows.flatMap(({ status, ...row }) => (status === "expired" ? [] : [{ ...row, status }]));
}
