import type { ProjectGraph } from "#shared/api/code/graph.js";
import type { Database } from "../../../db/connection/connect.js";
import { notFound } from "../../../errors.js";
import { listBranches } from "#git/store/branches.js";
import { readHistory } from "#git/store/history.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import type { Storage } from "../../../data-folder/storage.js";
import { receivedTimes, receiveTimeOf, visibleBranches } from "../workspaces/index.js";
import { assignBranches, sortNewestFirst } from "./order.js";
import * as queries from "./graph.queries.js";

export interface GraphDeps {
  db: Database;
  storage: Storage;
}

/** More parallel lines are not distinguishable. */
const MAX_WORKSPACES = 100;

/**
 * Returns the newest commits of a project's default branch, its workspaces and their base branches. An
 * agent sees the branches it can read by git. Empty while the project is importing.
 */
export async function readGraph(
  deps: GraphDeps,
  context: OrgContext,
  projectId: string,
  limit: number,
): Promise<ProjectGraph> {
  const { project, workspaces, visible } = await context.tx(async (tx) => ({
    project: await queries.findProject(tx, projectId),
    workspaces: await queries.listWorkspaces(tx, projectId, MAX_WORKSPACES),
    visible: await visibleBranches(tx, context.actor, projectId),
  }));
  if (!project) throw notFound();
  if (project.status !== "ready") return { branches: [], commits: [], has_older: false };
  const repoPath = deps.storage.repository(context.orgId, projectId);
  const tips = new Map((await listBranches(repoPath)).map(({ name, sha }) => [name, sha]));
  const owners = new Map(workspaces.map((workspace) => [workspace.branch_name, workspace]));
  const names = new Set([
    project.default_branch,
    ...workspaces.map(({ base_branch }) => base_branch),
    ...owners.keys(),
  ]);
  const branches = [...names].flatMap((name) => {
    const commit_sha = tips.get(name);
    const is_default = name === project.default_branch;
    if (commit_sha === undefined || visible?.has(name) === false) return [];
    const { agent_id = null, agent_name = null } = owners.get(name) ?? {};
    return [{ name, commit_sha, is_default, agent_id, agent_name }];
  });

  const history = await readHistory(
    repoPath,
    branches.map(({ commit_sha }) => commit_sha),
    limit + 1,
  );
  const page = history.slice(0, limit);
  const shas = page.map(({ sha }) => sha);
  const { commits, merges, times } = await context.tx(async (tx) => ({
    commits: await queries.findCommits(tx, projectId, shas),
    merges: await queries.findMerges(tx, projectId, shas),
    times: await receivedTimes(tx, projectId, shas),
  }));
  const branchOf = assignBranches(page, branches);
  return {
    branches,
    commits: sortNewestFirst(
      page.map(({ sha, parents, authorName, date, subject }) => {
        return {
          sha,
          parents,
          subject,
          author_name: authorName,
          at: receiveTimeOf(times, { sha, date }),
          branch: branchOf.get(sha) ?? null,
          agent_id: commits.get(sha)?.agent_id ?? null,
          commit_type: commits.get(sha)?.commit_type ?? null,
          merge: merges.get(sha) ?? null,
        };
      }),
    ),
    has_older: history.length > limit,
  };
}
