/** Starts queued builds of environments: setup scripts, each in a folder of its own. */
import { mkdir } from "node:fs/promises";
import { chownTree } from "#git/worktree/chown-tree.js";
import { AppError } from "../../../../errors.js";
import { requireEpoch } from "../../../../cluster/nodes.queries.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import { endBuild, explainWait, takeBuild, type TakenBuild } from "../../environments/index.js";
import { readRunSecrets } from "../../secrets/index.js";
import { createFolder, homeOf } from "../checks/check-folder.js";
import type { Launch } from "../execution/launch.js";
import type { BuildRun } from "../managed-runs.queries.js";
import * as managed from "../managed-runs.queries.js";
import type { RunDeps } from "../run-deps.js";
import { launchReserved, NOT_ASKED, requireHours, startWhileRoom } from "../server-runs.js";
import { maskerFor } from "../run-variables.js";
import { requireSandbox, sandboxFor } from "../start-run.js";
import { endBuilds } from "./end-builds.js";

/** Maximum time of a setup script, in seconds. */
const MAX_SECONDS = 3600;

/**
 * Starts queued builds while this process has room for them. Organizations with few running builds come
 * first. A job for any process of the node, sent whenever a build was queued or has ended.
 */
export function startBuilds(deps: RunDeps): Promise<void> {
  const startNext = async (outOfHours: readonly string[]): Promise<boolean> => {
    const taken = await deps.db.withSystemTx("take a queued build", (tx) =>
      reserve(deps, tx, outOfHours),
    );
    if (!taken) return false;
    if ("started" in taken) await start(deps, taken.build, taken.started);
    else await endBuilds(deps);
    return true;
  };
  return startWhileRoom(deps, "build", startNext, explainWait);
}

/** A build whose run is reserved, or that has failed because it cannot run. */
type Reserved =
  | { build: TakenBuild; started: { run: BuildRun; sandbox: Launch["sandbox"] } }
  | { build: TakenBuild };

/**
 * Takes the next build and reserves its run in one transaction: a build of a dead process always has a
 * run, whose lease expires.
 * @throws AppError 503 when the server is stopping; the build stays queued
 */
async function reserve(
  deps: RunDeps,
  tx: Queryable,
  outOfHours: readonly string[],
): Promise<Reserved | undefined> {
  await requireEpoch(tx, deps.db.node);
  const build = await takeBuild(tx, deps.db.node.id, newId(), outOfHours);
  if (!build) return undefined;
  const { org_id, project_id, run_id: id, definition } = build;
  try {
    requireSandbox(deps);
    const { sandbox, ...held } = sandboxFor(deps, { isDocker: false }, definition.network);
    await requireHours(tx, org_id);
    const run: BuildRun = {
      id,
      kind: "build",
      org_id,
      agent_id: null,
      project_id,
      command: ["sh", "-e", "-c", definition.setup_script],
      preset: null,
      timeout_seconds: Math.min(MAX_SECONDS, deps.settings.runTimeoutSeconds),
      allowed_hosts: definition.network === "restricted" ? (definition.allowed_hosts ?? []) : null,
      ...held,
    };
    const by = { server_id: deps.supervisor.serverId, token_hash: null };
    const env_names = Object.keys(definition.variables).toSorted();
    await managed.insertStarted(tx, { ...run, ...NOT_ASKED, env_names }, by);
    return { build, started: { run, sandbox } };
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "unavailable") throw error;
    await endBuild(tx, build, "failed", `It could not be started: ${error.message}`);
    return { build };
  }
}

/** Starts a reserved build in a folder and a home of its own. If it cannot start, it has failed. */
async function start(
  deps: RunDeps,
  build: TakenBuild,
  { run, sandbox }: { run: BuildRun; sandbox: Launch["sandbox"] },
): Promise<void> {
  const { org_id: orgId, project_id: projectId, definition } = build;
  const launch = async (): Promise<void> => {
    const { folder, uid } = await createFolder(deps, build);
    const home = homeOf(deps, build);
    await mkdir(home, { mode: 0o700 });
    if (uid !== null && uid !== process.getuid?.()) await chownTree(home, { uid, gid: uid });
    // The script calls no models: it has no token.
    const { variables } = await deps.db.read(orgId, (tx) =>
      readRunSecrets(deps.settings.secret, tx, orgId, projectId),
    );
    const env = { CI: "true", ...definition.variables };
    const secrets = { variables, providers: [] };
    await deps.supervisor.launch({
      waitedSeconds: null,
      run,
      sandbox,
      projectId,
      folder,
      home,
      uid,
      env: { ...env, ...variables },
      secrets,
      token: null,
      masker: maskerFor(deps, variables, null),
      repository: null,
      conversation: null,
    });
  };
  if (!(await launchReserved(deps, build, launch))) await endBuilds(deps);
}
