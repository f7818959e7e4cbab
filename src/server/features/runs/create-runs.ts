import type { Logger } from "pino";
import type { RunLimits } from "#shared/api/agents/runs.js";
import type { DockerSandbox } from "#sandbox/docker/docker.js";
import { isOwnSandbox, type Sandbox } from "#sandbox/sandbox.js";
import type { Storage } from "../../data-folder/storage.js";
import type { Database } from "../../db/connection/connect.js";
import { newId } from "../../db/tables/columns.js";
import type { CallbackListener } from "../../http/callback-listener.js";
import type { Jobs } from "../../jobs/queue.js";
import type { Mailer } from "../../mail/mailer.js";
import type { WorkspaceDeps } from "../workspaces/index.js";
import { createLogAccess } from "./logs/log-access.js";
import { createMasker } from "./logs/mask-secrets.js";
import { createLogStreams } from "./logs/log-stream.js";
import { continueBuilds, endBuildOf, storeLayerOf } from "./builds/end-builds.js";
import { continueChecks, endCheckOf } from "./checks/end-checks.js";
import { removeUnusedFolders, storeOutputsOf } from "./checks/check-folder.js";
import * as managed from "./managed-runs.queries.js";
import type { RunDeps } from "./run-deps.js";
import type { RunSettings } from "./run-settings.js";
import { commitsOf, scriptRunner } from "./execution/run-script.js";
import { uidOf } from "./start-run.js";
import { createSupervisor } from "./execution/supervisor.js";
import { endLost, startRunWatch } from "./execution/watch-runs.js";

/** The runs of this server process. */
export interface Runs {
  deps: RunDeps;
  /** Ends what earlier processes left. */
  recover(): Promise<void>;
  /** Watches leases, hours and queues. */
  watch(): void;
  /** Starts no more runs, and stops those under way or waits for them (`drain`). */
  end(how: "stop" | "drain"): Promise<void>;
  /** Stops the runs that `end` left, and ends the streams of logs. */
  endStreams(): Promise<void>;
  close(): Promise<void>;
}

export interface RunsInput {
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
  /** Whether no other process serves this database: runs that others left are then lost at once. */
  isAlone: boolean;
  log: Logger;
}

export function createRuns(input: RunsInput): Runs {
  const { db, jobs, sandbox, docker, settings, isAlone } = input;
  const serverId = newId();
  const logAccess = createLogAccess();
  const streams = createLogStreams(db.changes, logAccess);
  const supervisor = createSupervisor({
    ...input,
    serverId,
    written: (runId) => streams.written(runId),
    succeeded: async (run, masker) => {
      if (run.kind === "check") await storeOutputsOf(deps, run);
      if (run.kind === "build") await storeLayerOf(deps, run, masker);
    },
    ended: async (run) => {
      if (run.kind === "check") return endCheckOf(deps, run);
      if (run.kind === "build") return endBuildOf(deps, run);
      const { org_id } = run;
      const waiting = await db.tenant(org_id, (tx) => managed.countQueued(tx, org_id));
      if (waiting > 0) await jobs.send("start-queued-runs", { org_id });
    },
  });
  const deps: RunDeps = {
    ...input,
    supervisor,
    streams,
    logAccess,
    limits: limitsIn(settings, sandbox),
  };
  const closing = new AbortController();
  // The secrets of a lost run are unknown; keys are masked by their shape.
  const masker = createMasker([], input.workspaces.leaks.keyPrefix);
  const watchDeps = {
    ...input,
    commitsOfLost: async ({ id, org_id }: { id: string; org_id: string }) => {
      const tip = await db.tenant(org_id, (tx) => managed.findRepositoryTip(tx, id));
      if (tip === null || !isOwnSandbox(sandbox.report.mode)) return null;
      const runScript = scriptRunner(sandbox, deps.limits, settings);
      return commitsOf({ id }, tip, uidOf(deps), runScript, settings, masker, closing.signal);
    },
  };
  let watching: ReturnType<typeof startRunWatch> | undefined;
  return {
    deps,
    recover: async () => {
      await Promise.all([sandbox.cleanUp(), docker.cleanUp()]);
      await endLost(watchDeps, isAlone ? serverId : null);
      await removeUnusedFolders(deps).catch((error: unknown) => {
        input.log.error({ err: error }, "cannot remove the folders of ended checks");
      });
    },
    watch: () => {
      watching = startRunWatch(watchDeps, async () => {
        await continueChecks(deps);
        await continueBuilds(deps);
      });
    },
    end: (how) => supervisor.close(how),
    endStreams: async () => {
      await supervisor.close("stop");
      streams.close();
    },
    close: async () => {
      closing.abort();
      await watching?.stop();
    },
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
