import type { Branch } from "#shared/api/code/projects.js";
import { notFound } from "../../../errors.js";
import { listBranches } from "#git/store/branches.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { agentsOfBranches, visibleBranches } from "../workspaces/index.js";
import * as queries from "./projects.queries.js";
import type { ProjectDeps } from "./project.js";

/**
 * Lists the project's branches visible to the caller, by name, after the given name. Empty while the
 * project is importing.
 */
export async function listVisibleBranches(
  deps: ProjectDeps,
  context: OrgContext,
  id: string,
  after: string,
  limit: number,
): Promise<Branch[]> {
  const { project, agents, visible } = await context.tx(async (tx) => ({
    project: await queries.findProject(tx, id),
    agents: await agentsOfBranches(tx, id),
    visible: await visibleBranches(tx, context.actor, id),
  }));
  if (!project) throw notFound();
  if (project.status !== "ready") return [];
  const branches = await listBranches(deps.storage.repository(context.orgId, id));
  return branches
    .filter(({ name }) => name > after && (visible?.has(name) ?? true))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .slice(0, limit)
    .map(({ name, sha, date, subject }) => ({
      name,
      commit_sha: sha,
      subject,
      committed_at: date.toISOString(),
      is_default: name === project.default_branch,
      agent_id: agents.get(name) ?? null,
    }));
}
