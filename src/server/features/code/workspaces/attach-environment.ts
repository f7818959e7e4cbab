/** Puts the layers of environments below the files of workspaces. */
import { resolveCommit } from "#git/store/repository.js";
import {
  attachLayer,
  environmentFor,
  environmentOfBuild,
} from "../../execution/environments/index.js";
import * as queries from "./workspaces.queries.js";
import { branchRef, hasFolder, placesOf, type WorkspaceDeps } from "./workspace.js";
import type { WorkspaceRow } from "./workspaces.queries.js";

/** The columns of a workspace that tell its environment. */
type State = Pick<WorkspaceRow, "environment_state" | "environment_build_id">;

const NOTHING: State = { environment_state: "settled", environment_build_id: null };

const UNDECIDED: State = { environment_state: null, environment_build_id: null };

/**
 * Decides on the environment of a new folder, and adds its layer if that exists already and takes no time.
 * Otherwise the first run does it. Never throws: a workspace without its layer is complete. The caller
 * holds the workspace's lock, and stores the result.
 */
export async function environmentOfNew(
  deps: WorkspaceDeps,
  workspace: WorkspaceRow,
): Promise<State> {
  // Copying the files into a checkout may take minutes.
  const isLater = deps.driver.name === "checkout";
  return choose(deps, workspace, isLater).catch((error: unknown) => {
    const { project_id: project, agent_id: agent } = workspace;
    deps.log.error({ err: error, project, agent }, "cannot add the environment to a new folder");
    return UNDECIDED;
  });
}

/**
 * Decides on the environment of a folder, and adds its layer if that exists already. The caller holds the
 * workspace's lock, no process of the agent is running, and the result must be stored.
 * @param isLater whether the layer is added by the first run
 * @throws MountError, GitError, or the system error (no space)
 */
async function choose(
  deps: WorkspaceDeps,
  workspace: WorkspaceRow,
  isLater: boolean,
): Promise<State> {
  // A container has other programs than those of which the layer was made.
  if (!hasFolder(workspace) || workspace.workspace_type === "docker") return NOTHING;
  // Again if the layer is gone, which is then recorded.
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    const base = await baseOf(deps, workspace);
    if (base === null) return NOTHING;
    const { build, isWaiting } = await environmentFor(deps, workspace, base);
    const state = await nextState(deps, workspace, { build, isWaiting: isWaiting || isLater });
    if (state !== null) return state;
  }
  return NOTHING;
}

/**
 * Returns the base branch with its newest commit; null without one. Never the commit of an agent's own
 * branch, whose files would be run for a layer that other agents use, too.
 */
async function baseOf(
  deps: WorkspaceDeps,
  { base_branch: branch, ...workspace }: WorkspaceRow,
): Promise<{ branch: string; commit: string } | null> {
  const { repoPath } = placesOf(deps, workspace);
  const commit = await resolveCommit(repoPath, branchRef(branch));
  return commit === null ? null : { branch, commit };
}

/**
 * Adds the layer for which a workspace waits, if it is complete, and records that. Returns whether it is
 * still being built, and its build. The caller holds the workspace's lock, and no process of the agent is running.
 */
export async function attachEnvironment(
  deps: WorkspaceDeps,
  workspace: WorkspaceRow,
): Promise<{ isWaiting: boolean; build: string | null }> {
  const { environment_state: state, environment_build_id: build } = workspace;
  if (state === "settled") return { isWaiting: false, build };
  const next =
    (state === "waiting" && build !== null
      ? await nextState(deps, workspace, await environmentOfBuild(deps, workspace, build))
      : null) ?? (await choose(deps, workspace, false));
  const isWaiting = next.environment_state === "waiting";
  if (state !== next.environment_state || build !== next.environment_build_id) {
    await store(deps, workspace, next);
  }
  return { isWaiting, build: next.environment_build_id };
}

async function store(
  { db }: WorkspaceDeps,
  { org_id, agent_id }: WorkspaceRow,
  state: State,
): Promise<void> {
  await db.tenant(org_id, (tx) => queries.updateWorkspace(tx, agent_id, state));
}

/** Returns null if the layer is gone. */
async function nextState(
  deps: WorkspaceDeps,
  workspace: WorkspaceRow,
  { build, isWaiting }: Awaited<ReturnType<typeof environmentFor>>,
): Promise<State | null> {
  if (build === null) return NOTHING;
  const environment_build_id = build.id;
  if (isWaiting) return { environment_state: "waiting", environment_build_id };
  const { open: _, ...places } = placesOf(deps, workspace);
  // Before, because a checkout does not tell whose files a killed process has copied into it.
  if (workspace.status === "active" && workspace.environment_build_id !== build.id) {
    await store(deps, workspace, { environment_state: "waiting", environment_build_id });
  }
  const attached = await attachLayer(deps, deps.driver, workspace, places, build);
  return attached && { environment_state: "settled", environment_build_id: attached.id };
}
