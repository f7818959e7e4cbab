import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { RunLimits } from "#shared/api/runs.js";
import { newId } from "../../db/tables/columns.js";
import type { Database } from "../../db/connection/connect.js";
import type { Jobs } from "../../jobs/queue.js";
import type { Mailer } from "../../mail/mailer.js";
import type { CallbackListener } from "../../http/callback-listener.js";
import type { DockerSandbox } from "#sandbox/docker/docker.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import type { Storage } from "../../data-folder/storage.js";
import type { WorkspaceDeps } from "../workspaces/index.js";
import { createLogAccess } from "./logs/log-access.js";
import { createLogStreams } from "./logs/log-stream.js";
import * as managed from "./managed-runs.queries.js";
import { startQueuedRuns } from "./queue/run-queue.js";
import type { RunDeps } from "./run-deps.js";
import type { RunSettings } from "./run-settings.js";
import { createSupervisor } from "./supervisor.js";
import { endLost, startRunWatch } from "./watch-runs.js";

/** The runs of this server process. */
export interface Runs {
  deps: RunDeps;
  /** Takes no more runs, and stops or awaits the running ones, while the API is still available. */
  stop(how: "stop" | "drain"): Promise<void>;
  close(): Promise<void>;
}

export interface OpenRuns {
  db: Database;
  jobs: Jobs;
  storage: Storage;
  workspaces: WorkspaceDeps;
  sandbox: Sandbox;
  docker: DockerSandbox;
  mailer: Mailer;
  settings: RunSettings;
  publicUrl: () => string;
  openCallback: (runId: string) => Promise<CallbackListener>;
  /** Whether no other process serves this database; runs left by others are then lost immediately. */
  alone: boolean;
  log: Logger;
}

/** Ends runs of dead processes and then starts running, queued runs first. */
export async function openRuns(input: OpenRuns): Promise<Runs> {
  const { db, jobs, sandbox, settings, alone } = input;
  const serverId = newId();
  const logAccess = createLogAccess();
  const streams = createLogStreams(db.changes, logAccess);
  const supervisor = createSupervisor({
    ...input,
    serverId,
    written: (runId) => streams.written(runId),
    ended: async (orgId) => {
      const waiting = await db.tenant(orgId, (tx) => managed.countQueued(tx, orgId));
      if (waiting > 0) await jobs.send("start-queued-runs", { org_id: orgId });
    },
  });
  const deps: RunDeps = {
    ...input,
    supervisor,
    streams,
    logAccess,
    limits: limitsIn(settings, sandbox),
  };
  await Promise.all([sandbox.cleanUp(), input.docker.cleanUp()]);
  await endLost(input, alone ? serverId : null);
  await jobs.work("start-queued-runs", (data) => startQueuedRuns(deps, data));
  const watch = startRunWatch(input);
  return {
    deps,
    stop: async (how) => {
      await supervisor.close(how);
      streams.close();
    },
    close: () => watch.stop(),
  };
}

/**
 * Returns the limits enforceable here; a CPU limit that was not requested is omitted where unsupported.
 */
function limitsIn({ runLimits }: RunSettings, { report }: Sandbox): RunLimits {
  const { cpus } = runLimits;
  if (cpus !== "auto") return { ...runLimits, cpus };
  return { ...runLimits, cpus: report.limits.cpu.enforced ? defaultCpus : null };
}

const defaultCpus = 2;

/** Deletes logs not written to for the given number of days, and empty folders. */
export async function deleteExpiredLogs(storage: Storage, days: number): Promise<void> {
  const oldest = Date.now() - days * 86_400_000;
  const forgetIn = async (folder: string, depth: number): Promise<void> => {
    const names = await readdir(folder).catch(() => []);
    for (const name of names) {
      const path = join(folder, name);
      if (depth > 0) await forgetIn(path, depth - 1);
      else if ((await stat(path)).mtimeMs < oldest) await rm(path, { force: true });
    }
  };
  await forgetIn(storage.logs, 2);
}
