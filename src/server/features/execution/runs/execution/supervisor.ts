import { setTimeout as pause } from "node:timers/promises";
import { WORKSPACE } from "#sandbox/sandbox.js";
import { executeRun, shortGraceMs } from "#execution/execute-run.js";
import type { Ending, Exit } from "#execution/outcome.js";
import { measureRun, type RunPhases } from "#shared/node/run-phases.js";
import type { RunCommits } from "../../../code/workspaces/index.js";
import { insertEgress } from "../egress/egress.queries.js";
import type { ManagedRun } from "../managed-runs.queries.js";
import { newRunToken, type RunToken } from "../run-tokens.js";
import { variablesOf, type ExecutionDeps, type Launch, type SupervisorDeps } from "./launch.js";
import { prepareRunRepository } from "./prepare-run-repository.js";
import { recordEnd } from "./record-end.js";
import { renewLeases, type LiveRun } from "./renew-leases.js";
import { createRunRecords } from "./run-records.js";

/**
 * Has the commands reserved for this process executed, records what happens to them, and extends their leases. A run belongs to one process
 * for its lifetime: other processes end it, as lost, only when that process is dead.
 */
export interface Supervisor {
  /** Identifies this process. */
  readonly serverId: string;
  /** Whether it takes runs; false while it stops. */
  readonly accepts: boolean;
  /** The number of its runs of a kind that have not ended. */
  countLive(kind: ManagedRun["kind"]): number;
  newToken(): RunToken;
  /** Starts a reserved run. Resolves when its command runs or could not be started. */
  launch(launch: Launch): Promise<void>;
  /** Takes no more runs, and stops or awaits the running ones. */
  close(runs: "stop" | "drain"): Promise<void>;
}

/** Part of the shutdown time that runs get for exiting. */
const shutdownGraceMs = 3000;
const shutdownMs = 6000;

export function createSupervisor(deps: SupervisorDeps): Supervisor {
  const { db, lease, settings, serverId, log } = deps;
  const live = new Map<string, LiveRun>();
  let accepts = true;
  const closing = new AbortController();
  const records = createRunRecords(log, closing.signal);
  const executionDeps: ExecutionDeps = { ...deps, records, closing: closing.signal };
  const leases = renewLeases({ db, log, live, stopGraceMs: settings.runStopGraceSeconds * 1000 });

  const lapsed: Ending = {
    status: "lost",
    detail: "The server could not renew its lease, so that another one may have taken over.",
  };
  const forgetLapses = lease.onLapse(() => {
    for (const { execution } of live.values()) execution.endAtOnce(lapsed);
  });

  const finish = async (
    { run, masker }: Launch,
    commits: RunCommits | null,
    exit: Exit,
    phases: RunPhases,
  ): Promise<void> => {
    phases.enter("commit");
    await recordEnd(executionDeps, run, masker, commits, exit);
    live.delete(run.id);
    phases.end(exit.outcome);
    await deps.ended(run);
  };

  const launch = async (request: Launch): Promise<void> => {
    const { run, token, masker, sandbox, conversation } = request;
    let commits: RunCommits | null = null;
    const phases = measureRun(run.kind, request.waitedSeconds);
    const execution = executeRun({
      run,
      sandbox,
      folder: request.folder,
      home: request.home,
      maxFiles: settings.runFiles,
      logPath: deps.storage.runLog(run.org_id, request.projectId, run.id),
      masker,
      variables: (url, proxy) => variablesOf(request, url, proxy),
      openCallback: token === null ? null : () => deps.openCallback(run.id),
      publicUrl: deps.publicUrl(),
      privateHosts: settings.egressPrivateHosts,
      openStreams:
        conversation &&
        ((end) => conversation((status, detail) => end({ status, detail }, shortGraceMs))),
      prepare: async (written) => {
        const problem = request.repository?.environmentProblem;
        if (problem != null) await written.say(`${problem}\n`);
        const prepared = await prepareRunRepository(executionDeps, request, written);
        commits = prepared.commits;
        // A reviewer changes nothing, not even the copy that it reads.
        const own = run.kind === "review" ? [{ source: request.folder, path: WORKSPACE }] : [];
        return { uid: request.uid, readOnly: [...prepared.readOnly, ...own] };
      },
      requireStart: () => {
        try {
          lease.require();
        } catch (error) {
          // It may have waited for the database beyond the lease.
          execution.endAtOnce(lapsed);
          throw error;
        }
      },
      entered: phases.enter,
      storeEgress: (egress) => db.tenant(run.org_id, (tx) => insertEgress(tx, run, egress)),
      attempt: async (subject, work) => {
        await records.attempt(run, subject, work);
      },
      written: () => deps.written(run.id),
      logger: log,
    });
    const done = execution.done
      .then((exit) => finish(request, commits, exit, phases))
      .catch((error: unknown) => {
        live.delete(run.id);
        log.error({ err: error, run: run.id }, "cannot record the end of a run");
      });
    live.set(run.id, { run, execution, done });
    await execution.started;
  };

  return {
    serverId,
    get accepts() {
      return accepts;
    },
    countLive: (kind) => [...live.values()].filter(({ run }) => run.kind === kind).length,
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
      for (const { execution } of live.values()) {
        const detail = "The server was stopped.";
        execution.end({ status: "stopped", detail }, shutdownGraceMs);
      }
      await Promise.race([allDone(), pause(shutdownMs, undefined, { ref: false })]);
      closing.abort();
      forgetLapses();
      await leases.stop();
    },
  };
}
