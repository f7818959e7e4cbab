/** Exports of a project's objects for the repositories of its agents' runs. */
import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { exportObjects } from "#git/export/export-objects.js";
import { resolveCommit } from "#git/store/repository.js";
import type { ReadOnlyFolder } from "#sandbox/sandbox.js";
import { branchRef, placesOf, type ActiveWorkspace, type WorkspaceDeps } from "../workspace.js";
import * as queries from "../workspaces.queries.js";

/** The objects that an agent may read. */
export interface BorrowedObjects {
  readOnly: ReadOnlyFolder[];
  /** The commit of the base branch; null if it is missing. */
  baseCommit: string | null;
  /** The commits of the base and the default branch that exist. */
  sharedCommits: string[];
}

/**
 * Brings the exports of a workspace up to date: one of the default branch, which every agent of the
 * project may read, and one of what the workspace's own and base branch have beyond it.
 */
export async function exportBranches(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
): Promise<BorrowedObjects> {
  const { org_id, project_id, agent_id, head_commit } = workspace;
  const { repoPath } = placesOf(deps, workspace);
  const { defaultBranch, defaultCommit, baseCommit, sharedCommits } = await readSharedCommits(
    deps,
    workspace,
  );
  const folder = deps.storage.exports(org_id, project_id);
  // Another default branch gets another folder: agents may not read the former one.
  const name = createHash("sha256").update(defaultBranch).digest("hex").slice(0, 16);
  const ofProject =
    defaultCommit === null
      ? null
      : await exportObjects(repoPath, join(folder, `branch-${name}`), async () => [
          (await resolveCommit(repoPath, branchRef(defaultBranch))) ?? defaultCommit,
        ]);
  const tips = [head_commit, ...(baseCommit ? [baseCommit] : [])];
  const own = await exportObjects(repoPath, join(folder, agent_id), tips, ofProject);
  const readOnly = [...(ofProject ? [ofProject] : []), own].map(({ objects }, index) => ({
    source: objects,
    path: `/borrowed/${index}/objects`,
  }));
  return { readOnly, baseCommit, sharedCommits };
}

/** Removes the exports of a workspace. No run may be using them. */
export async function removeExport(
  { storage }: Pick<WorkspaceDeps, "storage">,
  { org_id, project_id, agent_id }: Pick<ActiveWorkspace, "org_id" | "project_id" | "agent_id">,
): Promise<void> {
  const folder = join(storage.exports(org_id, project_id), agent_id);
  await rm(folder, { recursive: true, force: true });
}

/** The commits that a workspace shares with others. */
export interface SharedCommits {
  defaultBranch: string;
  /** The commit of the default branch; null if it is missing. */
  defaultCommit: string | null;
  /** The commit of the base branch; null if it is missing. */
  baseCommit: string | null;
  /** The commits of both that exist. */
  sharedCommits: string[];
}

export async function readSharedCommits(
  deps: Pick<WorkspaceDeps, "db" | "storage" | "driver">,
  workspace: ActiveWorkspace,
): Promise<SharedCommits> {
  const { org_id, agent_id, base_branch } = workspace;
  const { repoPath } = placesOf(deps, workspace);
  const found = await deps.db.read(org_id, (tx) => queries.findAgentForWorkspace(tx, agent_id));
  const defaultBranch = found?.default_branch ?? base_branch;
  const [defaultCommit = null, baseCommit = null] = await Promise.all(
    [defaultBranch, base_branch].map((branch) => resolveCommit(repoPath, branchRef(branch))),
  );
  const sharedCommits = [...new Set([defaultCommit, baseCommit])].filter((oid) => oid !== null);
  return { defaultBranch, defaultCommit, baseCommit, sharedCommits };
}
