import { expect } from "vitest";
import type { Merge } from "#shared/api/code/merges.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { storageIn } from "#server/data-folder/storage.js";
import { queryAsOwner } from "../database/queries.js";
import { folderOf } from "../fixtures/factories.js";
import type { TestApp, TestPerson } from "../server/app.js";
import { git, gitInRepository, repoPathOf } from "./git.js";

interface SyncedWorkspace {
  app: TestApp;
  owner: TestPerson;
  project: Project;
  workspace: Workspace;
}

/**
 * Syncs a workspace and reproduces that the sync was not recorded yet, with or without its moves of the branch and
 * the folder.
 */
export async function cutOffSync(
  { app, owner, project, workspace }: SyncedWorkspace,
  moved: { branch: boolean; folder: boolean },
): Promise<Merge> {
  const { agent_id, branch_name: branch } = workspace;
  const before = await gitInRepository(app, project, "rev-parse", `refs/heads/${branch}`);
  const tree = await gitInRepository(app, project, "rev-parse", `${before}^{tree}`);
  const { data } = await owner.api.workspaces.sync({ params: { agent_id } });
  for (const [statement, values] of [
    ["update merges set state = 'pending' where id = $1", [data.id]],
    [
      "update workspace_commits set state = 'pending' where commit_sha = $1",
      [data.merge_commit_sha],
    ],
    [
      "update workspaces set head_commit = $1, head_tree = $2 where agent_id = $3",
      [before, tree, agent_id],
    ],
  ] as const) {
    await queryAsOwner(app, statement, [...values]);
  }
  if (!moved.folder) {
    const index = storageIn(app.dataDir).workspaceIndex(project.organization_id, agent_id);
    const env = { GIT_INDEX_FILE: index, GIT_WORK_TREE: folderOf(workspace) };
    const dir = ["--git-dir", repoPathOf(app, project)];
    await git([...dir, "read-tree", "--reset", "-u", before], { env });
  }
  if (!moved.branch) {
    await gitInRepository(app, project, "update-ref", `refs/heads/${branch}`, before);
  }
  return data;
}

/** Checks that the branch and the records of a workspace have a sync, and that nothing is pending. */
export async function expectWholeSync(
  { app, owner, project, workspace }: SyncedWorkspace,
  merge: Merge,
): Promise<void> {
  const { agent_id, branch_name: branch } = workspace;
  const tip = await gitInRepository(app, project, "rev-parse", `refs/heads/${branch}`);
  expect(tip).toBe(merge.merge_commit_sha);
  const { data: shown } = await owner.api.workspaces.get({ params: { agent_id } });
  expect(shown.head_commit).toBe(merge.merge_commit_sha);
  const pending = `select id from merges where state = 'pending'
    union all select id from workspace_commits where state = 'pending'`;
  expect(await queryAsOwner(app, pending)).toEqual([]);
}
