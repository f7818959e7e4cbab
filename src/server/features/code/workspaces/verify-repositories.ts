import { access, lstat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { sql } from "drizzle-orm";
import type { Queryable } from "../../../db/connection/connect.js";
import { hasServerFolder, type WorkspaceType } from "#shared/code/workspace-choices.js";
import { layerNames } from "#git/worktree/mounts.js";
import type { WorktreeKind } from "#git/worktree/worktree-driver.js";
import { listRefs } from "#git/store/refs.js";
import { git, GitError } from "#git/process/run.js";
import type { Storage } from "../../../data-folder/storage.js";
import { archiveRef } from "./archives/archive-workspace.js";
import { branchRef } from "./workspace.js";

/** The result of comparing an organization's repositories with the database. */
export interface RepositoriesReport {
  slug: string;
  repositories: number;
  faults: { project: string; reason: string }[];
}

interface Project extends Record<string, unknown> {
  id: string;
  org_id: string;
  slug: string;
  org_slug: string;
}

/** Pause and attempts of checking again what a running operation changes. */
const tries = 5;
const pauseMs = 300;

/**
 * Checks every repository of a node: its objects are intact (`git fsck`), it has all recorded commits,
 * branches and archives match the database, and active workspaces have their folder. Requires a connection that sees all organizations.
 * Read-only; the server may be running.
 */
export async function verifyRepositories(
  db: Queryable,
  storage: Storage,
  nodeId: string,
): Promise<RepositoriesReport[]> {
  const { rows } = await db.execute<Project>(sql`
    select p.id, p.org_id, p.slug, o.slug as org_slug
    from projects p join organizations o on o.id = p.org_id
    where p.status = 'ready' and p.deleted_at is null and p.home_node = ${nodeId}::uuid
    order by o.slug, p.slug`);
  const reports = new Map<string, RepositoriesReport>();
  for (const project of rows) {
    const { org_slug: slug } = project;
    const report = reports.get(slug) ?? { slug, repositories: 0, faults: [] };
    reports.set(slug, report);
    const reasons = await findFaults(db, project, storage);
    if (reasons === null) continue;
    report.repositories += 1;
    report.faults.push(...reasons.map((reason) => ({ project: project.slug, reason })));
  }
  return [...reports.values()];
}

/** Returns a repository's faults; null if the project was deleted meanwhile. */
async function findFaults(
  db: Queryable,
  project: Project,
  storage: Storage,
): Promise<string[] | null> {
  const repoPath = storage.repository(project.org_id, project.id);
  try {
    const faults = [
      ...(await checkObjects(repoPath)),
      ...(await listMissing(db, project, repoPath)),
    ];
    let moved: string[] = [];
    for (let attempt = 1; attempt <= tries; attempt += 1) {
      moved = [
        ...(await listMoved(db, project, repoPath)),
        ...(await listWithoutFolder(db, project, storage)),
      ];
      if (moved.length === 0) break;
      if (attempt < tries) await pause(pauseMs);
    }
    faults.push(...moved);
    return faults.length > 0 && (await isDeleted(db, project)) ? null : faults;
  } catch (error) {
    if (await isDeleted(db, project)) return null;
    const isThere = await access(repoPath).then(
      () => true,
      () => false,
    );
    if (!isThere) return ["the repository is missing; restore it from a backup"];
    return [`it cannot be read (${error instanceof Error ? error.message : String(error)})`];
  }
}

async function isDeleted(db: Queryable, { id }: Project): Promise<boolean> {
  const { rows } = await db.execute(
    sql`select from projects where id = ${id} and deleted_at is null`,
  );
  return rows.length === 0;
}

async function checkObjects(repoPath: string): Promise<string[]> {
  await access(repoPath);
  try {
    await git(["fsck", "--full", "--no-dangling", "--no-progress"], {
      gitDir: repoPath,
      timeoutMs: 0,
      background: true,
    });
    return [];
  } catch (error) {
    if (!(error instanceof GitError) || error.reason !== "exit") throw error;
    const lines = error.stderr.split("\n").filter(Boolean);
    return [`git fsck fails: ${lines.slice(0, 3).join("; ") || `exit ${error.exitCode}`}`];
  }
}

/** Returns recorded commits missing from the repository. */
async function listMissing(db: Queryable, project: Project, repoPath: string): Promise<string[]> {
  const { rows } = await db.execute<{ sha: string; what: string }>(sql`
    select c.commit_sha as sha, 'a commit of ' || w.branch_name as what
      from workspace_commits c join workspaces w on w.agent_id = c.agent_id
      where w.project_id = ${project.id} and c.state = 'recorded'
    union all select merge_commit, 'a merge into ' || target_branch from merges
      where project_id = ${project.id} and state = 'done'
    union all select tip, 'an archived workspace' from archives where project_id = ${project.id}`);
  if (rows.length === 0) return [];
  const { stdout } = await git(["cat-file", "--batch-check=%(objecttype)"], {
    gitDir: repoPath,
    input: rows.map(({ sha }) => `${sha}\n`).join(""),
    timeoutMs: 0,
  });
  const types = stdout.toString("latin1").split("\n");
  return rows.flatMap(({ sha, what }, index) =>
    types[index] === "commit" ? [] : [`commit ${sha} of the database is missing (${what})`],
  );
}

/** Returns branches and archives that differ from the database. */
async function listMoved(db: Queryable, project: Project, repoPath: string): Promise<string[]> {
  const { rows: heads } = await db.execute<{ branch_name: string; head_commit: string }>(sql`
    select branch_name, head_commit from workspaces w
    where project_id = ${project.id} and status = 'active' and head_commit is not null
      and not exists (select from workspace_commits c
        where c.agent_id = w.agent_id and c.state = 'pending')`);
  const { rows: archived } = await db.execute<{ id: string; agent_id: string; tip: string }>(sql`
    select a.id, a.agent_id, a.tip from archives a join workspaces w on w.agent_id = a.agent_id
    where a.project_id = ${project.id} and w.status = 'archived'`);
  const refs = new Map((await listRefs(repoPath, "refs/")).map(({ ref, sha }) => [ref, sha]));
  const expected = [
    ...heads.map(({ branch_name, head_commit }) => [branchRef(branch_name), head_commit] as const),
    ...archived.map(({ id, agent_id, tip }) => [archiveRef(agent_id, id), tip] as const),
  ];
  return expected.flatMap(([ref, sha]) => {
    const found = refs.get(ref);
    if (found === sha) return [];
    return [`${ref} is at ${found ?? "nothing"}, and the database says ${sha}`];
  });
}

/** Names the workspaces whose folder, with its unsaved files, is missing. */
async function listWithoutFolder(
  db: Queryable,
  project: Project,
  storage: Storage,
): Promise<string[]> {
  const { rows } = await db.execute<{
    agent_id: string;
    agent_name: string;
    branch_name: string;
    workspace_type: WorkspaceType;
    folder_driver: WorktreeKind | null;
  }>(sql`
    select w.agent_id, a.name as agent_name, w.branch_name, w.workspace_type, w.folder_driver
    from workspaces w join agents a on a.id = w.agent_id
    where w.project_id = ${project.id} and w.status = 'active'`);
  const faults: string[] = [];
  for (const { agent_id, agent_name, branch_name, workspace_type, folder_driver } of rows) {
    if (!hasServerFolder(workspace_type)) continue;
    const isOverlay = folder_driver !== null && folder_driver !== "checkout";
    // The folder of an overlay is there only while it is mounted.
    const folder = isOverlay
      ? join(storage.overlay(project.org_id, agent_id), layerNames.upper)
      : storage.workspace(project.org_id, agent_name);
    const found = await lstat(folder).catch(() => null);
    if (found?.isDirectory() === true) continue;
    faults.push(
      `the folder of ${branch_name} is missing; its commits are in the branch, unsaved files only in a backup`,
    );
  }
  return faults;
}
