import type { MergeStrategy } from "#shared/api/code/merges.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { diffFields, type AuditWriter } from "../../../db/audit/audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { isNoSpace } from "#shared/node/no-space.js";
import { AppError, notFound } from "../../../errors.js";
import type { DockerSandbox } from "#sandbox/docker/docker.js";
import { commitsOnLine, type LineCommit } from "#git/diff/diff.js";
import { resolveCommit, resolveTree } from "#git/store/repository.js";
import { RefMovedError, updateRef } from "#git/store/refs.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { isAlive } from "./archives/archives.queries.js";
import { agentTerminated } from "./archives/archive-workspace.js";
import { requireCluster } from "../../execution/runners/index.js";
import { environmentOfNew } from "./attach-environment.js";
import { activeUnderLock, commitUnderLock } from "./commits/commit-workspace.js";
import { insertPushedCommits, recordPushedCommits } from "./pushes/pushes.queries.js";
import * as queries from "./workspaces.queries.js";
import { requireMergeTarget, visibleBranches } from "./visible-branches.js";
import {
  auditedFields,
  auditTarget,
  branchRef,
  hasFolder,
  placesOf,
  readWorkspace,
  workspaceLock,
  type WorkspaceDeps,
} from "./workspace.js";

/**
 * Creates the agent's workspace: a branch `workspace-<agent>` at the base branch or the parent agent's
 * newest state (which is checkpointed first), and a folder unless it is remote. It is reserved first,
 * so a restart completes it.
 * @throws AppError 409 `workspace_exists`, `project_not_ready`, `agent_terminated`; 422 for an unknown
 * base branch, `docker_unavailable`, `kubernetes_unavailable`
 */
export async function createWorkspace(
  deps: WorkspaceDeps,
  context: OrgContext,
  agentId: string,
  input: {
    workspace_type?: Workspace["workspace_type"] | undefined;
    base_branch?: string | undefined;
    merge_strategy?: MergeStrategy | undefined;
  },
  docker: DockerSandbox["report"],
): Promise<Workspace> {
  const { agent, visible } = await context.tx(async (tx) => {
    const found = await queries.findAgentForWorkspace(tx, agentId);
    if (!found) throw notFound();
    return { agent: found, visible: await visibleBranches(tx, context.actor, found.project_id) };
  });
  if (agent.project_status !== "ready") {
    throw new AppError(
      "project_not_ready",
      agent.project_status === "importing"
        ? "The project is still importing; try again when it is ready."
        : "The project's import failed; import it again.",
    );
  }
  if (input.workspace_type === "docker" && docker.mode === "unavailable") {
    const cure = docker.install === null ? "make a local workspace" : `run: ${docker.install}`;
    throw new AppError("docker_unavailable", `${docker.reason}; ${cure}.`);
  }
  if (input.workspace_type === "kubernetes") {
    await context.tx((tx) => requireCluster(tx));
  }
  const baseBranch = input.base_branch ?? agent.default_branch;
  const repoPath = deps.storage.repository(context.orgId, agent.project_id);
  await requireMergeTarget("base_branch", baseBranch, repoPath, visible);
  await context.change<void, boolean>(
    async (tx, audit, _access, isStillAlive) => {
      if (!isStillAlive) throw agentTerminated();
      await reserveWorkspace(tx, audit, {
        agent_id: agentId,
        org_id: context.orgId,
        project_id: agent.project_id,
        branch_name: `workspace-${agent.name}`,
        base_branch: baseBranch,
        workspace_type: input.workspace_type ?? "local",
        parent_agent_id: agent.parent_agent_id,
        merge_strategy: input.merge_strategy ?? "newest_file_wins",
      });
    },
    (tx) => isAlive(tx, agentId),
  );
  await finishWorkspace(deps, context.orgId, agentId);
  return readWorkspace(deps, context, agentId);
}

/** Reserves an agent's workspace in a change of its organization. @throws AppError 409 `workspace_exists` */
export async function reserveWorkspace(
  tx: Queryable,
  audit: AuditWriter,
  values: Parameters<typeof queries.reserveWorkspace>[1],
): Promise<void> {
  const reserved = await queries.reserveWorkspace(tx, values);
  if (!reserved) {
    throw new AppError(
      "workspace_exists",
      "The agent already has a workspace; use it, or archive it first.",
    );
  }
  audit({
    action: "workspace.created",
    target: auditTarget(reserved),
    changes: diffFields(null, reserved, auditedFields),
  });
}

/** Completes a reserved workspace from any point of interruption. */
export async function finishWorkspace(
  deps: WorkspaceDeps,
  orgId: string,
  agentId: string,
): Promise<void> {
  const { db } = deps;
  const reserved = await db.tenant(orgId, (tx) => queries.findWorkspace(tx, agentId));
  const parentId = reserved?.parent_agent_id ?? null;
  const keys = [agentId, ...(parentId === null ? [] : [parentId])].map(workspaceLock);
  await db.locks(orgId, keys, async () => {
    const workspace = await db.tenant(orgId, (tx) => queries.findWorkspace(tx, agentId));
    if (workspace?.status !== "creating") return;
    try {
      const places = placesOf(deps, workspace);
      const ref = branchRef(workspace.branch_name);
      const begin = (): Promise<string> => startingCommit(deps, workspace, places.repoPath);
      // Without a parent checkpoint, this only reads and can run concurrently.
      const looking = parentId === null ? begin() : null;
      looking?.catch(() => {});
      const existing = await resolveCommit(places.repoPath, ref);
      const start = existing ?? (await (looking ?? begin()));
      const treeing = resolveTree(places.repoPath, start);
      treeing.catch(() => {});
      if (existing === null) await updateRef(places.repoPath, ref, start, null);
      const made = hasFolder(workspace)
        ? {
            folder_driver: await deps.driver.create({ ...places, commit: start }),
            ...(await environmentOfNew(deps, workspace)),
          }
        : {};
      const tree = await treeing;
      const { parent, commits } = await workOfForge(workspace, places.repoPath, start);
      await db.tenant(orgId, async (tx) => {
        if (commits.length > 0) {
          await insertPushedCommits(tx, workspace, commits);
          await recordPushedCommits(tx, agentId, start);
        }
        await queries.updateWorkspace(tx, agentId, {
          status: "active",
          error: null,
          parent_commit: parent,
          head_commit: start,
          head_tree: tree,
          ...made,
        });
      });
    } catch (error) {
      const reason =
        error instanceof AppError
          ? error.message
          : isNoSpace(error)
            ? "The server's disk is full; free some space, and create the workspace again."
            : error instanceof RefMovedError
              ? "The branch was created concurrently; try again."
              : "The folder could not be created; the operator can find the cause in the server's log.";
      await db.tenant(orgId, (tx) =>
        queries.updateWorkspace(tx, agentId, { status: "failed", error: reason }),
      );
      throw error;
    }
  });
}

/** Maximum number of a forge's commits that are listed as those of a workspace. */
const MAX_COMMITS = 1000;

/** Returns the commits that a workspace begins with if it begins with a forge's commit, and their parent. */
async function workOfForge(
  { base_branch, start_commit }: queries.WorkspaceRow,
  repoPath: string,
  start: string,
): Promise<{ parent: string; commits: LineCommit[] }> {
  const base = start_commit === null ? null : await resolveCommit(repoPath, branchRef(base_branch));
  if (base === null) return { parent: start, commits: [] };
  const commits = await commitsOnLine(repoPath, base, start, MAX_COMMITS);
  const parent = commits[0]?.parent ?? start;
  // A history of its own begins with its first commit.
  if ((await resolveCommit(repoPath, parent)) !== null) return { parent, commits };
  return { parent: commits[0]?.sha ?? start, commits: commits.slice(1) };
}

/** Returns the parent agent's newest state if it has a workspace, otherwise the base branch. */
async function startingCommit(
  deps: WorkspaceDeps,
  workspace: queries.WorkspaceRow,
  repoPath: string,
): Promise<string> {
  const { parent_agent_id: parentId, start_commit } = workspace;
  if (start_commit !== null && (await resolveCommit(repoPath, start_commit)) !== null) {
    return start_commit;
  }
  if (parentId !== null) {
    const parent = await deps.db.tenant(workspace.org_id, (tx) =>
      queries.findWorkspace(tx, parentId),
    );
    // The newest state of an archived parent is its archived head.
    if (parent?.status === "archived" && parent.head_commit !== null) return parent.head_commit;
    if (parent?.status === "active") {
      const checkpoint = { commit_type: "checkpoint" } as const;
      const newest = await activeUnderLock(deps, workspace.org_id, parentId);
      const { commit } = await commitUnderLock(deps, newest, checkpoint);
      return commit?.commit_sha ?? newest.head_commit;
    }
  }
  const base = await resolveCommit(repoPath, branchRef(workspace.base_branch));
  if (base === null) {
    throw new AppError(
      "workspace_not_active",
      `The base branch ${workspace.base_branch} no longer exists.`,
    );
  }
  return base;
}
