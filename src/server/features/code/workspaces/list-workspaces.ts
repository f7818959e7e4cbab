import { and, asc, eq, gt, inArray, ne } from "drizzle-orm";
import type { WorkspaceItem } from "#shared/api/code/workspaces.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { agents } from "../../../db/tables/tables.js";
import { workspaces } from "../../../db/tables/workspace-tables.js";
import { countAhead } from "#git/store/branches.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { isMerging } from "./workspaces.queries.js";
import { visibleBranches } from "./visible-branches.js";
import { branchRef, publicStatus, type WorkspaceDeps } from "./workspace.js";

/**
 * Lists a project's workspaces by agent name, after the given name, with their unmerged commits. An
 * agent sees the workspaces whose branches it may read.
 */
export async function listWorkspaces(
  deps: WorkspaceDeps,
  context: OrgContext,
  projectId: string,
  after: string,
  limit: number,
): Promise<WorkspaceItem[]> {
  const repoPath = deps.storage.repository(context.orgId, projectId);
  const rows = await context.tx(async (tx) => {
    const visible = await visibleBranches(tx, context.actor, projectId);
    return selectWorkspaces(tx, { projectId, visible, after, limit });
  });
  const isThere = ({ head_commit, status }: (typeof rows)[number]): boolean =>
    head_commit !== null && status !== "archived";
  const byBase = new Map<string, string[]>();
  for (const row of rows.filter(isThere)) {
    const refs = byBase.get(row.base_branch) ?? [];
    byBase.set(row.base_branch, refs);
    refs.push(branchRef(row.branch_name));
  }
  const ahead = new Map<string, number>();
  for (const [base, refs] of byBase) {
    const counted = await countAhead(repoPath, branchRef(base), refs);
    for (const [ref, count] of counted) ahead.set(ref, count);
  }
  return rows.map((row) => {
    const { status, is_merging, ...fields } = row;
    return {
      ...fields,
      status: publicStatus({ status, is_merging }),
      unmerged_commits: isThere(row) ? (ahead.get(branchRef(row.branch_name)) ?? null) : null,
    };
  });
}

interface Page {
  projectId: string;
  /** Branches whose workspaces are listed; null for all. */
  visible: ReadonlySet<string> | null;
  after: string;
  limit: number;
}

async function selectWorkspaces(tx: Queryable, { projectId, visible, after, limit }: Page) {
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
        visible === null ? undefined : inArray(workspaces.branch_name, [...visible]),
      ),
    )
    .orderBy(asc(agents.name))
    .limit(limit);
  return rows.flatMap(({ status, ...row }) => (status === "expired" ? [] : [{ ...row, status }]));
}
