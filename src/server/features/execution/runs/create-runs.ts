import type { Server } from "node:http";
import type { Logger } from "pino";
import type { RunLimits } from "#shared/api/execution/runs.js";
import type { DockerSandbox } from "#sandbox/docker/docker.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import type { Storage } from "../../../data-folder/storage.js";
import type { NodeLease } from "../../../cluster/node-lease.js";
import type { Config } from "../../../config/config.js";
import type { Database } from "../../../db/connection/connect.js";
import { newId } from "../../../db/tables/columns.js";
import {
  openCallbackListener,
  type CallbackListener,
} from "../../../http/server/callback-listener.js";
import type { Jobs } from "../../../jobs/queue.js";
import {
  checkpointAtEndOfRun,
  measureBranch,
  startCheckpoints,
  takeDuringRun,
  type RunCommits,
  type TakeRunCommits,
  type WorkspaceDeps,
} from "../../code/workspaces/index.js";
import type { LogAccess } from "./logs/log-access.js";
import { createMasker } from "#execution/logs/mask-secrets.js";
import type { LogStreams } from "./logs/log-stream.js";
import { continueBuilds, endBuildOf, storeLayerOf } from "./builds/end-builds.js";
import { continueChecks, endCheckOf } from "./checks/end-checks.js";
import { endOpinionRun } from "./opinions/start-opinions.js";
import { removeUnusedFolders, storeOutputsOf } from "./checks/check-folder.js";
import * as managed from "./managed-runs.queries.js";
import { createProgramFinder } from "./presets/find-programs.js";
import { listPresets } from "./presets/list-presets.js";
import type { RunDeps } from "./run-deps.js";
import type { RunSettings } from "./run-settings.js";
import { programs } from "#execution/presets/presets.js";
import { scriptRunner } from "#execution/scripts/run-script.js";
import { commitsOf } from "./execution/run-commits.js";
import { listStranded } from "./sessions/inputs.queries.js";
import { suspendSession, suspendSessions } from "./sessions/sessions.queries.js";
import { createLogStorage, requestLogSync, type LogStorage } from "./stored-logs/log-storage.js";
import { uidOf } from "./start-run.js";
import { createSupervisor } from "./execution/supervisor.js";
import {
  createSaver,
  endLost,
  keepRunnersRuns,
  saveRun,
  startRunWatch,
} from "./execution/watch-runs.js";

/** A take of commits during a run that lasts longer is slow: an agent can make it wait. */
const SLOW_TAKE_MS = 2000;
/** A run with slow takes gets the next one after so many times as long, so that other workspaces come first. */
const SLOW_TAKE_FACTOR = 20;

/** The runs of this server process. */
export interface Runs {
  deps: RunDeps;
  /** Ends what earlier processes left. */
  recover(): Promise<void>;
  /** Watches leases, hours and queues, and makes checkpoints that are due. */
  watch(): void;
  /** Starts no more runs, and stops those under way or waits for them (`drain`). */
  end(how: "stop" | "drain"): Promise<void>;
  /** Stops the runs that `end` left, and ends the streams of logs. */
  endStreams(): Promise<void>;
  close(): Promise<void>;
}

export interface RunsInput {
  db: Database;
  lease: NodeLease;
  jobs: Jobs;
  storage: Storage;
  workspaces: WorkspaceDeps;
  sandbox: Sandbox;
  docker: DockerSandbox;
  settings: RunSettings;
  logStorage: LogStorage;
  logAccess: LogAccess;
  /** Closed with the runs. */
  logStreams: LogStreams;
  publicUrl: () => string;
  openCallback: (runId: string) => Promise<CallbackListener>;
  /** Whether no other process serves this database: runs that others left are then lost at once. */
  isAlone: boolean;
  log: Logger;
}

export function createRuns(input: RunsInput): Runs {
  const { db, jobs, sandbox, docker, settings, isAlone } = input;
  const serverId = newId();
  const { logStreams: streams } = input;
  const supervisor = createSupervisor({
    ...input,
    serverId,
    written: (runId) => streams.written(runId),
    succeeded: async (run, masker) => {
      if (run.kind === "check") await storeOutputsOf(deps, run);
      if (run.kind === "build") await storeLayerOf(deps, run, masker);
    },
    ended: async (run) => {
      await requestLogSync(input.logStorage).catch((error: unknown) => {
        input.log.warn({ err: error }, "the job that moves logs was not sent; it is sent later");
      });
      if (run.kind === "check") return endCheckOf(deps, run);
      if (run.kind === "build") return endBuildOf(deps, run);
      if (run.kind === "review") return endOpinionRun(deps, run);
      const { org_id } = run;
      if (run.session_id != null) {
        await db.tenant(org_id, (tx) => suspendSession(tx, run.id));
      }
      const isAwaited = await db.tenant(
        org_id,
        async (tx) =>
          (await managed.countQueued(tx, org_id)) > 0 ||
          (await listStranded(tx, db.node.id)).length > 0,
      );
      if (isAwaited) await jobs.send("start-queued-runs", { org_id });
    },
  });
  const findPrograms = createProgramFinder(programs);
  const deps: RunDeps = {
    ...input,
    supervisor,
    findPrograms: () => findPrograms(deps),
    sessionPresets: async () => {
      const presets = await listPresets(deps);
      return presets.flatMap(({ name, session }) => (session?.available === true ? [name] : []));
    },
    streams,
    limits: limitsIn(settings, sandbox),
    saveLost: (workspace) => saveLost(workspace),
    saveTurn: async (orgId, agentId) => {
      await checkpointAtEndOfRun(input.workspaces, orgId, agentId, takeCommits);
      return measureBranch(input.workspaces, orgId, agentId);
    },
  };
  const closing = new AbortController();
  // The secrets of a run of another process are unknown; keys are masked by their shape.
  const masker = createMasker([], input.workspaces.leaks.keyPrefix);
  const commitsOfRun = async (run: { id: string; org_id: string }): Promise<RunCommits | null> => {
    const found = await db.tenant(run.org_id, (tx) => managed.findRepository(tx, run.id));
    if (found === null) return null;
    const own = found.isDocker ? docker : sandbox;
    if (["off", "unavailable"].includes(own.report.mode)) return null;
    const runScript = scriptRunner(own, deps.limits, settings.runFiles);
    return commitsOf(db, run, uidOf(deps), runScript, settings, masker, closing.signal);
  };
  const saver = createSaver(input, async (run) => {
    // Containers outlive their server.
    await docker.cleanUp().catch((error: unknown) => {
      input.log.warn({ err: error }, "cannot remove the containers of a server that is gone");
    });
    return commitsOfRun(run);
  });
  const watchDeps = { ...input, saver };
  /** When commits are taken again from a run whose last take was slow. */
  const lookAgainAt = new Map<string, number>();
  const takeCommits: TakeRunCommits = async (workspace) => {
    const { org_id, agent_id } = workspace;
    const now = Date.now();
    for (const [id, at] of lookAgainAt) if (at < now) lookAgainAt.delete(id);
    try {
      const id = await db.tenant(org_id, (tx) => managed.findRunWithRepository(tx, agent_id));
      if (id === null || lookAgainAt.has(id)) return;
      const commits = await commitsOfRun({ id, org_id });
      if (commits) await takeDuringRun(input.workspaces, workspace, commits, input.log);
      const took = Date.now() - now;
      if (took > SLOW_TAKE_MS) lookAgainAt.set(id, Date.now() + SLOW_TAKE_FACTOR * took);
    } catch (error) {
      input.log.warn({ err: error, agent: agent_id }, "cannot look for commits of a run");
    }
  };
  const saveLost: RunDeps["saveLost"] = async ({ org_id, agent_id }) => {
    const lost = await db.tenant(org_id, (tx) => managed.listUnsavedOf(tx, agent_id));
    for (const run of lost) await saveRun(watchDeps, run, await commitsOfRun(run), true);
    return lost.length > 0;
  };
  let checkpoints: ReturnType<typeof startCheckpoints> | undefined;
  let watching: ReturnType<typeof startRunWatch> | undefined;
  return {
    deps,
    recover: async () => {
      await Promise.all([sandbox.cleanUp(), docker.cleanUp()]);
      await keepRunnersRuns(db);
      await endLost(watchDeps, isAlone ? serverId : null);
      await suspendSessions(db);
      await removeUnusedFolders(deps).catch((error: unknown) => {
        input.log.error({ err: error }, "cannot remove the folders of ended checks");
      });
    },
    watch: () => {
      watching = startRunWatch(watchDeps, async () => {
        await continueChecks(deps);
        await continueBuilds(deps);
        await suspendSessions(db);
      });
      checkpoints = startCheckpoints(input.workspaces, input.log, takeCommits);
    },
    end: (how) => supervisor.close(how),
    endStreams: async () => {
      await supervisor.close("stop");
      streams.close();
    },
    close: async () => {
      closing.abort();
      await Promise.all([watching?.stop(), checkpoints?.stop(), saver.stop()]);
    },
  };
}

/** Creates the runs of this process from the services of the server. */
export function openRuns(
  services: Omit<RunsInput, "settings" | "logStorage" | "openCallback"> & {
    config: RunSettings & Pick<Config, "objectStorage">;
    httpServer: Server;
  },
): { ownRuns: Runs; logStorage: LogStorage } {
  const { config, httpServer } = services;
  const logStorage = createLogStorage({ ...services, settings: config });
  const ownRuns = createRuns({
    ...services,
    settings: config,
    logStorage,
    openCallback: (runId) => openCallbackListener(httpServer, runId),
  });
  return { ownRuns, logStorage };
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
