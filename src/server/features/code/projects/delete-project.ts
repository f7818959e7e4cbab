import { rm } from "node:fs/promises";
import { homeOf } from "../../../cluster/home-of.js";
import { AppError, notFound } from "../../../errors.js";
import { removeTree } from "#git/files/atomic-directory.js";
import { removeRepository } from "#git/store/bare-repository.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { cancelBuildsOf } from "../../execution/environments/index.js";
import { removeMembersOfProject } from "../../organization/members/index.js";
import { endManagedRuns, waitForEnd } from "../../execution/run-ends/index.js";
import { deleteLogObjectsOf } from "../../execution/log-objects/index.js";
import { deleteSecretsOf } from "../../execution/secrets/index.js";
import { endQueuesOf, removeWorkspacesOf } from "../workspaces/index.js";
import * as queries from "./projects.queries.js";
import { storeLock, type ProjectDeps } from "./project.js";

/**
 * Deletes a project: stops its commands, terminates its agents, removes its folders, logs and
 * repository, and frees its slug. Its row stays for the ledger only. Deletion is recorded first and
 * completed in the background, after a restart if necessary.
 * @throws AppError 404; 409 `agent_running`
 */
export async function deleteProject(
  deps: ProjectDeps,
  context: OrgContext,
  id: string,
): Promise<void> {
  await context.change(async (tx, audit) => {
    const project = await queries.findProject(tx, id);
    if (!project) throw notFound();
    const running = await queries.countRunningElsewhere(tx, id);
    if (running > 0) {
      throw new AppError(
        "agent_running",
        running === 1
          ? "An agent of the project is running; stop its run first."
          : `${running} agents of the project are running; stop their runs first.`,
      );
    }
    // First: it waits for checks that are being taken, whose runs are then seen.
    await endQueuesOf(tx, id);
    await cancelBuildsOf(tx, id);
    await endManagedRuns(tx, { projectId: id }, "The project was deleted.");
    await queries.markDeleted(tx, id);
    await deleteSecretsOf(tx, id);
    await removeMembersOfProject(tx, id);
    audit({ action: "project.deleted", target: { type: "project", id, name: project.name } });
  });
  // The home may be away; its files are removed when it is back.
  const isHere = (await homeOf(deps.db, id)) === deps.db.node.id;
  if (isHere) await removeFolders(deps, context.orgId, id);
  await deps.jobs.send("remove-project", { org_id: context.orgId, project_id: id });
}

/** Waits for the commands in the folders to end, then removes the folders. */
async function removeFolders(deps: ProjectDeps, orgId: string, id: string): Promise<void> {
  await waitForEnd(deps.db, orgId, { projectId: id });
  await removeWorkspacesOf(deps.workspaces, orgId, id);
  await queries.releaseAgentNames(deps.db, orgId, id);
}

/** Removes a deleted project from disk. An idempotent job of its home. */
export async function runRemoval(
  deps: ProjectDeps,
  { org_id: orgId, project_id: id }: { org_id: string; project_id: string },
): Promise<void> {
  await removeFolders(deps, orgId, id);
  // A running import ends first.
  await deps.db.locks(orgId, [storeLock(id)], async () => {
    await removeRepository(deps.storage.repository(orgId, id));
    await rm(deps.storage.runLogs(orgId, id), { recursive: true, force: true });
    await rm(deps.storage.exports(orgId, id), { recursive: true, force: true });
    await removeTree(deps.storage.projectEnvironments(orgId, id));
    await deps.db.tenant(orgId, async (tx) => {
      await queries.markRemoved(tx, id);
      await deleteLogObjectsOf(tx, id);
    });
  });
}
