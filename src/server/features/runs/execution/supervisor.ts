import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import type { NodeLease } from "../../../cluster/node-lease.js";
import type { Database } from "../../../db/connection/connect.js";
import type { CallbackListener } from "../../../http/callback-listener.js";
import type { DockerSandbox } from "#sandbox/docker/docker.js";
import {
  reachesPorts,
  SandboxRefusal,
  type ReadOnlyFolder,
  type Sandbox,
  type SandboxExit,
} from "#sandbox/sandbox.js";
import type { Storage } from "../../../data-folder/storage.js";
import { isDatabaseUnavailable } from "../../../db/connection/failures.js";
import { modelVariables } from "../../../models/providers.js";
import type { RunSecrets } from "../../secrets/index.js";
import { checkpointAfterRun, type RunPlace, type WorkspaceDeps } from "../../workspaces/index.js";
import { endAtOnce, requestEnd, shortGraceMs, stopProcess, type LiveRun } from "./live-run.js";
import { outcomeOf } from "./outcome.js";
import { renewLeases } from "./renew-leases.js";
import { commitsOf, safeMessage, scriptRunner } from "./run-script.js";
import { openLog, type LogWriter } from "../logs/log-writer.js";
import { openEgress, type RunEgressProxy } from "../egress/open-egress.js";
import type { Conversation, ConversationInput } from "../sessions/conversation.js";
import { collectResult } from "../presets/collect-result.js";
import type { Masker } from "../logs/mask-secrets.js";
import * as managed from "../managed-runs.queries.js";
import type { Exit, ManagedRun } from "../managed-runs.queries.js";
import { newRunToken, type RunToken } from "../run-tokens.js";
import type { RunSettings } from "../run-settings.js";

/** Ends a run. */
type EndRun = ConversationInput["end"];

/** A run reserved for this process, with everything needed to start it. */
export interface Launch {
  run: ManagedRun;
  projectId: string;
  folder: string;
  /** Null for a check: its home is in memory. */
  home: string | null;
  /** The uid it runs as; null lets the sandbox decide. */
  uid: number | null;
  /** Variables given for the run, which win over its secrets. */
  env: Record<string, string>;
  /** Null for a check, which gets none. */
  secrets: RunSecrets | null;
  /** Null for checks and builds, which do not call the API. */
  token: string | null;
  /** Masks the values of `env`, the secrets and the token in the output. */
  masker: Masker;
  /** Its repository in the workspace; null for checks and builds. */
  repository: Pick<RunPlace, "head" | "prepareRepository"> | null;
  /** Opens the conversation of a session; null without one. */
  conversation: ((end: EndRun) => Conversation) | null;
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
  /** The number of its runs of a kind that have not ended. */
  countLive(kind: ManagedRun["kind"]): number;
  newToken(): RunToken;
  /** Starts a reserved run. Resolves when its command runs or could not be started. */
  launch(launch: Launch): Promise<void>;
  /** Takes no more runs, and stops or awaits the running ones. */
  close(runs: "stop" | "drain"): Promise<void>;
}

export interface SupervisorDeps {
  db: Database;
  /** Commands end before another server can take over the data of the node. */
  lease: Pick<NodeLease, "require" | "untilHeld" | "onLapse">;
  storage: Storage;
  workspaces: WorkspaceDeps;
  settings: RunSettings;
  publicUrl: () => string;
  /** Opens the listener through which a run with an isolated network reaches this server. */
  openCallback(runId: string): Promise<CallbackListener>;
  /** Called when a log has grown. */
  written: (runId: string) => void;
  /**
   * Called when the command of a check or a build has succeeded, before its run ends; may be repeated.
   */
  succeeded: (run: ManagedRun, masker: Pick<Masker, "mask">) => Promise<void>;
  /** Called when a run has ended, which may free a slot. */
  ended: (run: ManagedRun) => Promise<void>;
  serverId: string;
  log: Logger;
}

/** Part of the shutdown time that runs get for exiting. */
const shutdownGraceMs = 3000;
const shutdownMs = 6000;

const endLost =
  "The cause of its end could not be stored; the operator can find it in the server's log.";
const outputLost =
  "Its output could not be stored; the operator can find the cause in the server's log.";

export function createSupervisor(deps: SupervisorDeps): Supervisor {
  const { db, lease, settings, serverId, log } = deps;
  const live = new Map<string, LiveRun>();
  let accepts = true;
  let closed = false;
  /** Ends what runs still do on the server after its shutdown time. */
  const closing = new AbortController();
  const leases = renewLeases({ db, log, live, stopGraceMs: settings.runStopGraceSeconds * 1000 });

  const forgetLapses = lease.onLapse(() => {
    const detail = "The server could not renew its lease, so that another one may have taken over.";
    for (const liveRun of live.values()) endAtOnce(liveRun, { status: "lost", detail });
  });

  /** Retries a mandatory write while the database is unavailable, until the server closes. */
  const record = async <Result>(subject: string, work: () => Promise<Result>): Promise<Result> => {
    for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 5000)) {
      try {
        return await work();
      } catch (error) {
        if (closed || !isDatabaseUnavailable(error)) throw error;
        log.warn({ err: error }, `${subject} could not be written; retrying`);
        await pause(waitMs);
      }
    }
  };

  /** Like `record`, for a write without which the run must end, too. Returns undefined if it failed. */
  const attempt = async <Result>(
    { run }: LiveRun,
    subject: string,
    work: () => Promise<Result>,
  ): Promise<Result | undefined> => {
    try {
      return await record(subject, work);
    } catch (error) {
      if (closed) throw error;
      log.error({ err: error, run: run.id }, `${subject} could not be written`);
      return undefined;
    }
  };

  const finish = async (liveRun: LiveRun, exit: SandboxExit): Promise<void> => {
    const { run, masker } = liveRun;
    if (liveRun.timer) clearTimeout(liveRun.timer);
    await liveRun.conversation?.close();
    await liveRun.log?.close().catch((error: unknown) => {
      log.error({ err: error, run: run.id }, "cannot close a run's log");
    });
    const tenant = <Result>(work: Parameters<typeof db.tenant<Result>>[1]) =>
      db.tenant(run.org_id, work);
    // It may quote the command's output.
    const masked = { ...exit, detail: exit.detail === null ? null : masker.mask(exit.detail) };
    const outcome = outcomeOf(run, masked, liveRun.ending);
    const written: Exit = {
      ...outcome,
      result: resultOf(liveRun),
      output_bytes: liveRun.log?.bytes ?? 0,
      output_truncated: liveRun.log?.truncated ?? false,
    };
    const recordExit = (values: Exit) => () =>
      tenant((tx) => managed.recordExit(tx, run.id, values));
    const isRecorded =
      (await attempt(liveRun, "the end of a run", recordExit(written))) ??
      (await record("the end of a run", recordExit({ ...written, detail: endLost, result: null })));
    // The steps below write to the disk.
    await lease.untilHeld(closing.signal);
    if (isRecorded) {
      const checkpoint =
        run.kind === "managed"
          ? await checkpointAfterRun(
              deps.workspaces,
              run.org_id,
              run.agent_id,
              log,
              liveRun.commits,
            )
          : null;
      if (run.kind !== "managed" && outcome.outcome === "succeeded") {
        await attempt(liveRun, `the result of a ${run.kind}`, () => deps.succeeded(run, masker));
      }
      const end = (values: typeof checkpoint) => () =>
        tenant(async (tx) => {
          if (values) await managed.recordCheckpoint(tx, run.id, values);
          await managed.endExited(tx, run.id);
          return true;
        });
      const isEnded = await attempt(liveRun, "the end of a run", end(checkpoint));
      if (!isEnded) await record("the end of a run", end(null));
    }
    live.delete(run.id);
    await deps.ended(run);
  };

  /** Returns the result that the run's preset reads; null without one. */
  const resultOf = ({ run, result }: LiveRun): string | null => {
    try {
      return result?.read() ?? null;
    } catch (error) {
      log.error({ err: error, run: run.id }, "cannot read the result of a run");
      return null;
    }
  };

  /** Opens the proxy of a run with a restricted network. */
  const egressOf = async (
    { network, allowed_hosts, ...run }: ManagedRun,
    written: LogWriter,
    masker: Masker,
  ): Promise<RunEgressProxy | null> =>
    network === "restricted"
      ? openEgress(
          deps,
          { ...run, allowed_hosts: allowed_hosts ?? [] },
          (text) => void written.say(text),
          (text) => masker.mask(text),
        )
      : null;

  /**
   * Prepares the repository of a run, which goes on without one if that fails. Returns the folders that
   * the command must see.
   */
  const repositoryOf = async (
    { run, repository, uid, sandbox, masker }: Launch,
    liveRun: LiveRun,
    written: LogWriter,
  ): Promise<readonly ReadOnlyFolder[]> => {
    if (repository === null || run.kind !== "managed" || sandbox.report.mode === "off") return [];
    const runScript = scriptRunner(sandbox, run.limits, settings);
    const { agent_id } = run;
    const taken = await db.tenant(run.org_id, (tx) => managed.findTakenCommits(tx, agent_id));
    const prepared = await repository
      .prepareRepository(runScript, taken)
      .catch((error: unknown) => {
        log.error({ err: error, run: run.id }, "cannot prepare the repository of a run");
        const problem = "the operator can find the cause in the server's log.";
        return { readOnly: [], problem, untaken: [] };
      });
    const { problem, untaken } = prepared;
    for (const branch of untaken) {
      const text = `Commits of an earlier run were not taken; they are now in the branch ${branch}.`;
      await written.say(text);
    }
    const error =
      problem === null ? null : safeMessage(`The run has no git repository: ${problem}`, masker);
    if (error !== null) await written.say(`${error}\n`);
    const tip = error === null ? repository.head : null;
    await db.tenant(run.org_id, (tx) => managed.recordRepository(tx, run.id, { tip, error }));
    if (tip !== null)
      liveRun.commits = commitsOf(db, run, uid, runScript, settings, masker, closing.signal);
    return prepared.readOnly;
  };

  const launch = async (request: Launch): Promise<void> => {
    const { run, projectId, folder, home, uid, env, secrets, token, masker, sandbox } = request;
    const liveRun: LiveRun = {
      run,
      logger: log,
      log: null,
      masker,
      result: collectResult(run.preset, masker),
      process: null,
      conversation: null,
      commits: null,
      ending: null,
      graceMs: 0,
      timer: null,
      done: Promise.resolve(),
    };
    live.set(run.id, liveRun);
    const conversation =
      request.conversation?.((status, detail) => {
        requestEnd(liveRun, { status, detail }, shortGraceMs);
      }) ?? null;
    liveRun.conversation = conversation;
    let exit: Promise<SandboxExit>;
    let callback: CallbackListener | null = null;
    let egress: RunEgressProxy | null = null;
    try {
      const hasPorts = reachesPorts(sandbox.report.mode, run.network);
      callback = token !== null && hasPorts ? await deps.openCallback(run.id) : null;
      const written = await openLog({
        path: deps.storage.runLog(run.org_id, projectId, run.id),
        masker,
        maxBytes: run.limits.output_bytes,
        written: () => deps.written(run.id),
        failed: (error) => {
          log.error({ err: error, run: run.id }, "cannot store a run's output");
          requestEnd(liveRun, { status: "failed", detail: outputLost }, 0);
        },
      });
      liveRun.log = written;
      const readOnly = await repositoryOf(request, liveRun, written);
      egress = await egressOf(run, written, masker);
      const url = callback ? `http://127.0.0.1:${callback.port}` : deps.publicUrl();
      lease.require();
      liveRun.process = await sandbox.start({
        id: run.id,
        folder,
        // A command without a sandbox could not reach it in the data folder.
        home: sandbox.report.mode === "off" ? null : home,
        uid,
        command: run.command,
        env: {
          ...secrets?.variables,
          // Without a network, a run does not reach the gateway.
          ...(token !== null &&
            run.network !== "none" &&
            modelVariables(secrets?.providers ?? [], url, token)),
          ...env,
          ...egress?.env,
          ...(token !== null &&
            run.kind === "managed" && {
              OMOI_URL: url,
              OMOI_TOKEN: token,
              OMOI_AGENT_ID: run.agent_id,
            }),
          OMOI_RUN_ID: run.id,
        },
        readOnly,
        network: run.network,
        ports: [callback, egress].flatMap((listener) => listener?.port ?? []),
        limits: {
          memoryBytes: run.limits.memory_bytes,
          processes: run.limits.processes,
          cpus: run.limits.cpus,
          diskBytes: run.limits.disk_bytes,
          diskFiles: settings.runFiles,
        },
        hasInput: conversation !== null,
        onOutput: (stream, chunk) => {
          if (conversation !== null && stream === "stdout") return conversation.receive(chunk);
          if (stream === "stdout") liveRun.result?.add(chunk);
          return written.write(stream, chunk);
        },
      });
      exit = liveRun.process.done;
      conversation?.start(liveRun.process);
      const seconds = run.timeout_seconds;
      liveRun.timer = setTimeout(() => {
        const detail = `It exceeded its timeout of ${seconds} seconds.`;
        requestEnd(liveRun, { status: "timed_out", detail }, shortGraceMs);
      }, seconds * 1000).unref();
      // A request to end it during its start has not reached the process.
      if (liveRun.ending) stopProcess(liveRun);
    } catch (error) {
      const isRefused = error instanceof SandboxRefusal;
      if (!isRefused) log.error({ err: error, run: run.id }, "cannot start a run");
      exit = Promise.resolve(notStarted(isRefused ? error.message : null));
    }
    liveRun.done = exit
      .catch((error: unknown) => {
        log.error({ err: error, run: run.id }, "cannot store a run's output");
        return notStarted(outputLost);
      })
      .then(async (ended) => {
        callback?.close();
        await attempt(liveRun, "the connections of a run", async () => egress?.close());
        return finish(liveRun, ended);
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
      for (const liveRun of live.values()) {
        requestEnd(
          liveRun,
          { status: "stopped", detail: "The server was stopped." },
          shutdownGraceMs,
        );
      }
      await Promise.race([allDone(), pause(shutdownMs, undefined, { ref: false })]);
      closed = true;
      closing.abort();
      forgetLapses();
      await leases.stop();
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
