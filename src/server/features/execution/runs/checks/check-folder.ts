/** Folders in which commits are checked and environments are built. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isUuid } from "#shared/uuid.js";
import { removeTree } from "#git/files/atomic-directory.js";
import type { WorktreePaths } from "#git/worktree/worktree-driver.js";
import { storeRegenerated } from "#git/merge/drivers/store-regenerated.js";
import { TokenScan } from "#git/objects/token-scan.js";
import { systemOrigin } from "../../../../db/audit/audit.js";
import {
  findRegenerationOf,
  storeOutputs,
  type TakenCheck,
} from "../../../code/workspaces/index.js";
import * as managed from "../managed-runs.queries.js";
import type { CheckRun } from "../managed-runs.queries.js";
import type { RunDeps } from "../run-deps.js";
import { uidOf } from "../start-run.js";

export type OwnFolder = Pick<TakenCheck, "org_id" | "project_id" | "run_id">;

export function placesOf(
  { storage }: RunDeps,
  { org_id, project_id, run_id }: OwnFolder,
): WorktreePaths {
  return {
    repoPath: storage.repository(org_id, project_id),
    folder: storage.check(org_id, run_id),
    indexFile: storage.workspaceIndex(org_id, run_id),
    overlay: storage.overlay(org_id, run_id),
    lowers: storage.projectLayers(org_id, project_id),
  };
}

/** Creates the folder with the files of the commit, owned by the user of commands without an own uid. */
export async function createFolder(
  deps: RunDeps,
  check: OwnFolder & Pick<TakenCheck, "commit_sha">,
): Promise<{ folder: string; uid: number | null }> {
  const places = placesOf(deps, check);
  const { driver } = deps.workspaces;
  await driver.create({ ...places, commit: check.commit_sha });
  const uid = uidOf(deps);
  if (uid !== null && uid !== process.getuid?.())
    await driver.changeOwner(places, { uid, gid: uid });
  return { folder: places.folder, uid };
}

/**
 * Stores the files that an ended command was to regenerate, before its run ends: only this process has
 * its folder. Everything else in the folder is dropped.
 */
export async function storeOutputsOf(deps: RunDeps, run: CheckRun): Promise<void> {
  const { db, log, workspaces } = deps;
  const { id: run_id, org_id } = run;
  const regeneration = await db.tenant(org_id, (tx) => findRegenerationOf(tx, run_id));
  if (regeneration === undefined) return;
  const { paths, project_id, branch } = regeneration;
  const { repoPath, folder } = placesOf(deps, { org_id, project_id, run_id });
  const scan = new TokenScan(workspaces.leaks.keyPrefix);
  const stored = await storeRegenerated(repoPath, folder, paths, scan).catch((error: unknown) => {
    log.error({ err: error, run: run_id }, "cannot store regenerated files");
    return {
      reason: "Its files could not be stored; the operator can find the cause in the server's log.",
    };
  });
  const leak = await workspaces.leaks.findActive(scan.found, { origin: systemOrigin, branch });
  const result = leak
    ? { detail: `The new ${leak.path} contains an active API key in line ${leak.line}.` }
    : "reason" in stored
      ? { detail: stored.reason }
      : { outputs: stored };
  await db.tenant(org_id, (tx) => storeOutputs(tx, run_id, result));
}

/** The home of a build, beside its folder. A check has none. */
export const homeOf = ({ storage }: RunDeps, { org_id, run_id }: OwnFolder): string =>
  `${storage.check(org_id, run_id)}.home`;

/** Removes the folder and the home; idempotent. */
export async function removeFolder(deps: RunDeps, place: OwnFolder): Promise<void> {
  await deps.workspaces.driver.remove(placesOf(deps, place));
  await removeTree(homeOf(deps, place));
}

/**
 * Removes what the checks and builds of a killed server have left: folders, and overlays and indexes whose folder
 * was not created or is gone.
 */
export async function removeUnusedFolders(deps: RunDeps): Promise<void> {
  const { checks, overlays, indexes } = deps.storage;
  const list = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);
  const organizations = new Set((await Promise.all([checks, overlays, indexes].map(list))).flat());
  for (const orgId of organizations) {
    const parents = [checks, overlays, indexes].map((parent) => join(parent, orgId));
    const names = (await Promise.all(parents.map(list))).flat();
    // Interrupted work leaves names with suffixes. Most ids are those of agents.
    const ids = [...new Set(names.map((name) => name.slice(0, 36)).filter(isUuid))];
    const unused = await deps.db.withSystem("find what checks have left", (tx) =>
      managed.listEndedAmong(tx, ids),
    );
    for (const { id, project_id } of unused) {
      await removeFolder(deps, { org_id: orgId, project_id, run_id: id });
    }
  }
}
