import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import type { Run } from "#shared/api/agents/runs.js";
import type { Database } from "../../db/connection/connect.js";
import type { CallbackListener } from "../../http/callback-listener.js";
import type { DockerSandbox } from "#sandbox/docker/docker.js";
import {
  isOwnSandbox,
  SandboxRefusal,
  type Sandbox,
  type SandboxedProcess,
  type SandboxExit,
} from "#sandbox/sandbox.js";
import type { Storage } from "../../data-folder/storage.js";
import { checkpointAfterRun, type WorkspaceDeps } from "../workspaces/index.js";
import { outcomeOf, type Ending } from "./outcome.js";
import { openLog, type LogWriter } from "./logs/log-writer.js";
import type { Masker } from "./logs/mask-secrets.js";
import * as managed from "./managed-runs.queries.js";
import type { ManagedRun } from "./managed-runs.queries.js";
import { newRunToken, type RunToken } from "./run-token.js";
import type { RunSettings } from "./run-settings.js";

/** A run reserved for this process, with everything needed to start it. */
export interface Launch {
  run: ManagedRun;
  projectId: string;
  folder: string;
  /** The uid it runs as; null lets the sandbox decide. */
  uid: number | null;
  env: Record<string, string>;
  token: string;
  /** Masks the values of `env` and the token in the output. */
  masker: Masker;
  /** The sandbox that runs it. */
  sandbox: Pick<Sandbox | DockerSandbox, "start" | "report">;
}

/**
 * Runs the commands reserved for this process and extends their leases. A run belongs to one process
 * for its lifetime: other processes end it, as lost, only when that process is dead.
 */
export interface Supervisor {
  /** Identifies this process. */
  readonly serverId: string;
  /** Whether it takes runs; false while it stops. */
  readonly accepts: boolean;
  newToken(): RunToken;
  /** Starts a reserved run. Resolves when its command runs or could not be started. */
  launch(launch: Launch): Promise<void>;
  /** Takes no more runs, and stops or awaits the running ones. */
  close(runs: "stop" | "drain"): Promise<void>;
}

export interface SupervisorDeps {
  db: Database;
  storage: Storage;
  workspaces: WorkspaceDeps;
  settings: RunSettings;
  publicUrl: () => string;
  /** Opens the listener through which a run with an isolated network reaches this server. */
  openCallback(runId: string): Promise<CallbackListener>;
  /** Called when a log has grown. */
  written: (runId: string) => void;
  /** Called when a run has ended, which may free a slot. */
  ended: (orgId: string) => Promise<void>;
  serverId: string;
  log: Logger;
}

const beatMs = 3000;
/** Part of the shutdown time that runs get for exiting. */
const shutdownGraceMs = 3000;
const shutdownMs = 6000;
/** Grace period of a run that exceeded its time or hours. */
const shortGraceMs = 2000;

const outputLost =
  "Its output could not be stored; the operator can find the cause in the server's log.";

interface LiveRun {
  run: ManagedRun;
  agentId: string;
  log: LogWriter | null;
  process: SandboxedProcess | null;
  ending: Ending | null;
  graceMs: number;
  timer: NodeJS.Timeout | null;
  done: Promise<void>;
}

export function createSupervisor(deps: SupervisorDeps): Supervisor {
  const { db, settings, serverId, log } = deps;
  const live = new Map<string, LiveRun>();
  let accepts = true;
  let closed = false;
  let lastBeat = Date.now();

  /** Requests a run's end; the first reason wins. */
  const end = (one: LiveRun, ending: Ending, graceMs: number): void => {
    if (one.ending) return;
    one.ending = ending;
    one.graceMs = graceMs;
    stopProcess(one);
  };
  /** Timers and the change feed call this, so one run's error must not propagate. */
  const stopProcess = ({ run, process, graceMs }: LiveRun): void => {
    try {
      process?.stop(graceMs);
    } catch (error) {
      log.error({ err: error, run: run.id }, "cannot stop a run");
    }
  };
  const graceOf = (status: Run["status"]): number =>
    status === "quota_exceeded" ? shortGraceMs : settings.runStopGraceSeconds * 1000;

  let beating: Promise<void> | null = null;
  let beatAgain = false;
  const beatOnce = async (): Promise<void> => {
    const beats = [...live.values()].map(({ run, log: written }) => ({
      id: run.id,
      bytes: written?.bytes ?? 0,
      truncated: written?.truncated ?? false,
    }));
    if (beats.length === 0) {
      lastBeat = Date.now();
      return;
    }
    const asked = Date.now();
    try {
      const answers = await db.withSystem("say that runs are alive", (tx) =>
        managed.recordHeartbeats(tx, beats),
      );
      lastBeat = asked;
      const known = new Map(answers.map((answer) => [answer.id, answer]));
      for (const { id } of beats) {
        const one = live.get(id);
        const answer = known.get(id);
        if (!one) continue;
        if (!answer)
          end(one, { status: "lost", detail: "It was ended by another server process." }, 0);
        else if (answer.stop_status) {
          const { stop_status: status, stop_detail: detail } = answer;
          end(one, { status, detail: detail ?? "It was stopped." }, graceOf(status));
        }
      }
    } catch (error) {
      log.warn({ err: error }, "cannot extend the leases of runs");
      // Other processes now consider the runs lost, and their agents may start again.
      if (Date.now() - lastBeat < managed.serverLeaseSeconds * 1000) return;
      for (const one of live.values()) {
        end(one, { status: "lost", detail: "The server lost its database connection." }, 0);
      }
    }
  };
  const recordHeartbeats = (): void => {
    if (beating) {
      beatAgain = true;
      return;
    }
    beating = beatOnce()
      .catch((error: unknown) => log.error({ err: error }, "cannot check runs"))
      .finally(() => {
        beating = null;
        if (!beatAgain) return;
        beatAgain = false;
        recordHeartbeats();
      });
  };
  const timer = setInterval(recordHeartbeats, beatMs);
  timer.unref();
  const unsubscribe = db.changes.subscribe((change) => {
    if (change !== null && change.table !== "runs") return;
    const isOurs = [...live.values()].some(({ agentId }) => agentId === change?.id);
    if (change === null || isOurs) recordHeartbeats();
  });

  /** Retries a mandatory write while the database is unavailable. Fails when the lease has expired. */
  const record = async <Result>(what: string, work: () => Promise<Result>): Promise<Result> => {
    for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 5000)) {
      try {
        return await work();
      } catch (error) {
        if (closed) throw error;
        log.warn({ err: error }, `${what} could not be written; retrying`);
        await pause(waitMs);
      }
    }
  };

  const finish = async (one: LiveRun, exit: SandboxExit): Promise<void> => {
    const { run } = one;
    if (one.timer) clearTimeout(one.timer);
    await one.log?.close().catch((error: unknown) => {
      log.error({ err: error, run: run.id }, "cannot close a run's log");
    });
    const tenant = <Result>(work: Parameters<typeof db.tenant<Result>>[1]) =>
      db.tenant(run.org_id, work);
    const noted = await record("the end of a run", () =>
      tenant((tx) =>
        managed.recordExit(tx, run.id, {
          ...outcomeOf(run, exit, one.ending),
          output_bytes: one.log?.bytes ?? 0,
          output_truncated: one.log?.truncated ?? false,
        }),
      ),
    );
    if (noted) {
      const checkpoint = await checkpointAfterRun(deps.workspaces, run.org_id, run.agent_id, log);
      await record("the end of a run", () =>
        tenant(async (tx) => {
          if (checkpoint) await managed.recordCheckpoint(tx, run.id, checkpoint);
          await managed.endExited(tx, run.id);
        }),
      );
    }
    live.delete(run.id);
    await deps.ended(run.org_id);
  };

  const launch = async (asked: Launch): Promise<void> => {
    const { run, projectId, folder, uid, env, token, masker, sandbox } = asked;
    const one: LiveRun = {
      run,
      agentId: run.agent_id,
      log: null,
      process: null,
      ending: null,
      graceMs: 0,
      timer: null,
      done: Promise.resolve(),
    };
    live.set(run.id, one);
    let exit: Promise<SandboxExit>;
    let callback: CallbackListener | null = null;
    try {
      const isIsolated = run.network === "full" && isOwnSandbox(sandbox.report.mode);
      callback = isIsolated ? await deps.openCallback(run.id) : null;
      const written = await openLog({
        path: deps.storage.runLog(run.org_id, projectId, run.id),
        masker,
        maxBytes: run.limits.output_bytes,
        written: () => deps.written(run.id),
        failed: (error) => {
          log.error({ err: error, run: run.id }, "cannot store a run's output");
          end(one, { status: "failed", detail: outputLost }, 0);
        },
      });
      one.log = written;
      one.process = await sandbox.start({
        id: run.id,
        folder,
        uid,
        command: run.command,
        env: {
          ...env,
          OMOI_URL: callback ? `http://127.0.0.1:${callback.port}` : deps.publicUrl(),
          OMOI_TOKEN: token,
          OMOI_RUN_ID: run.id,
          OMOI_AGENT_ID: run.agent_id,
        },
        network: run.network,
        callbackPort: callback?.port,
        limits: {
          memoryBytes: run.limits.memory_bytes,
          processes: run.limits.processes,
          cpus: run.limits.cpus,
          diskBytes: run.limits.disk_bytes,
          diskFiles: settings.runFiles,
        },
        onOutput: (stream, chunk) => written.write(stream, chunk),
      });
      exit = one.process.done;
      const seconds = run.timeout_seconds;
      one.timer = setTimeout(() => {
        const detail = `It exceeded its timeout of ${seconds} seconds.`;
        end(one, { status: "timed_out", detail }, shortGraceMs);
      }, seconds * 1000).unref();
      // A request to end it during its start has not reached the process.
      if (one.ending) stopProcess(one);
    } catch (error) {
      const isRefused = error instanceof SandboxRefusal;
      if (!isRefused) log.error({ err: error, run: run.id }, "cannot start a run");
      exit = Promise.resolve(notStarted(isRefused ? error.message : null));
    }
    one.done = exit
      .catch((error: unknown) => {
        log.error({ err: error, run: run.id }, "cannot store a run's output");
        return notStarted(outputLost);
      })
      .then((ended) => {
        callback?.close();
        return finish(one, ended);
      })
      .catch((error: unknown) => {
        live.delete(run.id);
        log.error({ err: error, run: run.id }, "cannot record the end of a run");
      });
  };

  return {
    serverId,
    get accepts() {
      return accepts;
    },
    newToken: () => newRunToken(settings.secret),
    launch,
    close: async (how) => {
      accepts = false;
      const allDone = async (): Promise<void> => {
        while (live.size > 0) {
          await Promise.all([...live.values()].map(({ done }) => done));
          await pause(10);
        }
      };
      if (how === "drain") await allDone();
      for (const one of live.values()) {
        end(one, { status: "stopped", detail: "The server was stopped." }, shutdownGraceMs);
      }
      await Promise.race([allDone(), pause(shutdownMs, undefined, { ref: false })]);
      closed = true;
      clearInterval(timer);
      unsubscribe();
      await beating;
    },
  };
}

/** The exit of a command that was never started. */
function notStarted(detail: string | null): SandboxExit {
  return {
    exitCode: null,
    signal: null,
    reason: "start_failed",
    detail,
    cpuSeconds: null,
    peakMemoryBytes: null,
    throttled: null,
  };
}
