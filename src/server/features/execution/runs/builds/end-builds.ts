/** Stores the layers of builds, and records their results. */
import { isNoSpace } from "#shared/node/no-space.js";
import { dropEnvironment } from "#git/worktree/environment-layer.js";
import { DotGitFileError } from "#git/files/path-errors.js";
import {
  endBuild,
  hasQueuedBuilds,
  listEndedBuilds,
  recordLayer,
  requeueBuild,
  type EndedBuild,
} from "../../environments/index.js";
import { placesOf, removeFolder } from "../checks/check-folder.js";
import type { Masker } from "#execution/logs/mask-secrets.js";
import type { BuildRun } from "../managed-runs.queries.js";
import type { RunDeps } from "../run-deps.js";

/** Starts of a build whose servers died, before it counts as failed. */
const MAX_ATTEMPTS = 3;

/**
 * Stores what the setup script left as a layer, before its run ends: only this process has its folder.
 * Everything else in the folder is dropped.
 * @param masker that of the log: the script may put secrets into names of files
 */
export async function storeLayerOf(
  deps: RunDeps,
  run: BuildRun,
  masker: Pick<Masker, "mask">,
): Promise<void> {
  const { id: run_id, org_id, project_id } = run;
  const { storage, log } = deps;
  const layer = storage.environmentLayer(org_id, project_id, run_id);
  const places = placesOf(deps, { org_id, project_id, run_id });
  const result = await deps.workspaces.driver.storeEnvironment(places, layer).then(
    ({ bytes, leftOut, leftOutCount }) => ({
      layer_bytes: bytes,
      left_out: leftOut.map((path) => masker.mask(path)),
      left_out_count: leftOutCount,
      detail: null,
    }),
    (error: unknown) => {
      log.error({ err: error, run: run_id }, "cannot store the layer of a build");
      return {
        layer_bytes: null,
        left_out: [],
        left_out_count: 0,
        detail: masker.mask(reasonOf(error)),
      };
    },
  );
  await deps.db.tenant(org_id, (tx) => recordLayer(tx, run_id, result));
}

function reasonOf(error: unknown): string {
  if (error instanceof DotGitFileError) {
    return `The script left ${JSON.stringify(error.path)}, which is not a regular file of at most 1 MiB.`;
  }
  if (isNoSpace(error)) return "The server's disk is full; free some space, and build again.";
  return "Its files could not be stored; the operator can find the cause in the server's log.";
}

/**
 * Records the results of builds of this node whose runs have ended, removes their folders, and starts the runs that
 * waited for them. Idempotent; any of its processes may do it.
 */
export async function endBuilds(deps: RunDeps): Promise<void> {
  const ended = await deps.db.withSystem("find ended builds", (tx) =>
    listEndedBuilds(tx, deps.db.node.id),
  );
  for (const build of ended) {
    // One that fails must not hold up the others.
    await end(deps, build).catch((error: unknown) => {
      deps.log.error({ err: error, build: build.id }, "cannot record the result of a build");
    });
  }
  for (const org_id of new Set(ended.map((build) => build.org_id))) {
    await deps.jobs.send("start-queued-runs", { org_id });
  }
  if (ended.length > 0) await deps.jobs.send("start-checks", {});
}

/** Does what a lost job would have done: ends builds, and starts queued ones. */
export async function continueBuilds(deps: RunDeps): Promise<void> {
  await endBuilds(deps);
  if (await deps.db.maintenance()) return;
  const isQueued = await deps.db.withSystem("find queued builds", (tx) =>
    hasQueuedBuilds(tx, deps.db.node.id),
  );
  if (isQueued) await deps.jobs.send("start-checks", {});
}

/** Records the result of a build's run and removes its folder. */
export async function endBuildOf(deps: RunDeps, run: BuildRun): Promise<void> {
  const { id: run_id, org_id, project_id } = run;
  // Also of a build that was canceled meanwhile.
  await removeFolder(deps, { org_id, project_id, run_id });
  await endBuilds(deps);
}

async function end(deps: RunDeps, build: EndedBuild): Promise<void> {
  await removeFolder(deps, build).catch((error: unknown) => {
    deps.log.error({ err: error, run: build.run_id }, "cannot remove the folder of a build");
  });
  const { org_id, project_id } = build;
  const result = resultOf(build);
  const superseded = await deps.db.tenant(org_id, async (tx) => {
    if (!("isCounted" in result)) return endBuild(tx, build, result.status, result.detail);
    await requeueBuild(tx, build, result.isCounted);
    return [];
  });
  for (const runId of superseded) {
    await dropEnvironment(deps.storage.environmentLayer(org_id, project_id, runId));
  }
}

/** The result of a build; or whether its interrupted start counts, and it is queued again. */
type Result = { status: "succeeded" | "failed"; detail: string | null } | { isCounted: boolean };

function resultOf(build: EndedBuild): Result {
  const { run_status, run_detail, exit_code, attempts, layer_bytes, detail } = build;
  // A user who stops a build cancels it. Others say nothing about the script: an archived organization,
  // used-up hours, and a server that stops.
  if (run_status === "stopped" || run_status === "quota_exceeded") return { isCounted: false };
  if (run_status === "lost" && attempts < MAX_ATTEMPTS) return { isCounted: true };
  if (run_status !== "succeeded") {
    const code = exit_code === null ? "" : ` The script exited with code ${exit_code}.`;
    return { status: "failed", detail: run_detail ?? code.trim() };
  }
  if (layer_bytes !== null) return { status: "succeeded", detail: null };
  // Its server was killed after the script had exited, and before its files were stored.
  if (detail === null && attempts < MAX_ATTEMPTS) return { isCounted: true };
  return { status: "failed", detail: detail ?? "Its files were not stored." };
}
