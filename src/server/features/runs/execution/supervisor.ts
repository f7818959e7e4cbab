import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import type { NodeLease } from "../../../cluster/node-lease.js";
import type { Database } from "../../../db/connection/connect.js";
import type { CallbackListener } from "../../../http/server/callback-listener.js";
import { executeRun, shortGraceMs } from "#execution/execute-run.js";
import type { LogWriter } from "#execution/logs/log-writer.js";
import type { Masker } from "#execution/logs/mask-secrets.js";
import type { Ending, Exit } from "#execution/outcome.js";
import { safeMessage, scriptRunner } from "#execution/scripts/run-script.js";
import type { DockerSandbox } from "#sandbox/docker/docker.js";
import type { ReadOnlyFolder, Sandbox } from "#sandbox/sandbox.js";
import type { Storage } from "../../../data-folder/storage.js";
import { isDatabaseUnavailable } from "../../../db/connection/failures.js";
import { modelVariables } from "#shared/models/providers.js";
import type { RunSecrets } from "../../secrets/index.js";
import {
  checkpointAfterRun,
  type RunCommits,
  type RunPlace,
  type WorkspaceDeps,
} from "../../workspaces/index.js";
import { insertEgress } from "../egress/egress.queries.js";
import * as managed from "../managed-runs.queries.js";
import type { ManagedRun } from "../managed-runs.queries.js";
import { newRunToken, type RunToken } from "../run-tokens.js";
import type { RunSettings } from "../run-settings.js";
import type { Conversation, ConversationInput } from "../sessions/conversation.js";
import type { LiveRun } from "./live-run.js";
import { renewLeases } from "./renew-leases.js";
import { commitsOf } from "./run-commits.js";

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

export function createSupervisor(deps: SupervisorDeps): Supervisor {
  const { db, lease, settings, serverId, log } = deps;
  const live = new Map<string, LiveRun>();
  let accepts = true;
  let closed = false;
  /** Ends what runs still do on the server after its shutdown time. */
  const closing = new AbortController();
  const leases = renewLeases({ db, log, live, stopGraceMs: settings.runStopGraceSeconds * 1000 });

  const lapsed: Ending = {
    status: "lost",
    detail: "The server could not renew its lease, so that another one may have taken over.",
  };
  const forgetLapses = lease.onLapse(() => {
    for (const { execution } of live.values()) execution.endAtOnce(lapsed);
  });

  /** Retries what a run cannot do without while the database is unavailable, until the server closes. */
  const record = async <Result>(subject: string, work: () => Promise<Result>): Promise<Result> => {
    for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 5000)) {
      try {
        return await work();
      } catch (error) {
        if (closed || !isDatabaseUnavailable(error)) throw error;
        log.warn({ err: error }, `the database is not available for ${subject}; retrying`);
        await pause(waitMs);
      }
    }
  };

  /** Like `record`, for a write without which the run must end, too. Returns undefined if it failed. */
  const attempt = async <Result>(
    run: ManagedRun,
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

  const finish = async (
    run: ManagedRun,
    masker: Masker,
    commits: RunCommits | null,
    written: Exit,
  ): Promise<void> => {
    const tenant = <Result>(work: Parameters<typeof db.tenant<Result>>[1]) =>
      db.tenant(run.org_id, work);
    const recordExit = (values: Exit) => () =>
      tenant((tx) => managed.recordExit(tx, run.id, values));
    const isRecorded =
      (await attempt(run, "the end of a run", recordExit(written))) ??
      (await record("the end of a run", recordExit({ ...written, detail: endLost, result: null })));
    // The steps below write to the disk.
    await lease.untilHeld(closing.signal);
    if (isRecorded) {
      const checkpoint =
        run.kind === "managed"
          ? await checkpointAfterRun(deps.workspaces, run.org_id, run.agent_id, log, commits)
          : null;
      if (run.kind !== "managed" && written.outcome === "succeeded") {
        await attempt(run, `the result of a ${run.kind}`, () => deps.succeeded(run, masker));
      }
      const end = (values: typeof checkpoint) => () =>
        tenant(async (tx) => {
          if (values) await managed.recordCheckpoint(tx, run.id, values);
          await managed.endExited(tx, run.id);
          return true;
        });
      const isEnded = await attempt(run, "the end of a run", end(checkpoint));
      if (!isEnded) await record("the end of a run", end(null));
    }
    live.delete(run.id);
    await deps.ended(run);
  };

  /**
   * Prepares the repository of a run, which goes on without one if that fails. Returns the folders that
   * the command must see, and the source of its commits.
   */
  const repositoryOf = async (
    { run, repository, uid, sandbox, masker }: Launch,
    written: LogWriter,
  ): Promise<{ readOnly: readonly ReadOnlyFolder[]; commits: RunCommits | null }> => {
    if (repository === null || run.kind !== "managed" || sandbox.report.mode === "off") {
      return { readOnly: [], commits: null };
    }
    const runScript = scriptRunner(sandbox, run.limits, settings.runFiles);
    const { agent_id } = run;
    const prepared = await record("the repository of a run", async () => {
      const taken = await db.tenant(run.org_id, (tx) => managed.findTakenCommits(tx, agent_id));
      return repository.prepareRepository(runScript, taken);
    }).catch((error: unknown) => {
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
    await record("the repository of a run", () =>
      db.tenant(run.org_id, (tx) => managed.recordRepository(tx, run.id, { tip, error })),
    );
    const source = (): RunCommits =>
      commitsOf(db, run, uid, runScript, settings, masker, closing.signal);
    return { readOnly: prepared.readOnly, commits: tip === null ? null : source() };
  };

  const launch = async (request: Launch): Promise<void> => {
    const { run, env, secrets, token, masker, sandbox, conversation } = request;
    let commits: RunCommits | null = null;
    const execution = executeRun({
      run,
      sandbox,
      folder: request.folder,
      home: request.home,
      maxFiles: settings.runFiles,
      logPath: deps.storage.runLog(run.org_id, request.projectId, run.id),
      masker,
      variables: (url, proxy) => ({
        ...secrets?.variables,
        // Without a network, a run does not reach the gateway.
        ...(token !== null &&
          run.network !== "none" &&
          modelVariables(secrets?.providers ?? [], url, token)),
        ...env,
        ...proxy,
        ...(token !== null &&
          run.kind === "managed" && {
            OMOI_URL: url,
            OMOI_TOKEN: token,
            OMOI_AGENT_ID: run.agent_id,
          }),
        OMOI_RUN_ID: run.id,
      }),
      openCallback: token === null ? null : () => deps.openCallback(run.id),
      publicUrl: deps.publicUrl(),
      openStreams:
        conversation &&
        ((end) => conversation((status, detail) => end({ status, detail }, shortGraceMs))),
      prepare: async (written) => {
        const prepared = await repositoryOf(request, written);
        commits = prepared.commits;
        return { uid: request.uid, readOnly: prepared.readOnly };
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
      storeEgress: (egress) => db.tenant(run.org_id, (tx) => insertEgress(tx, run, egress)),
      attempt: async (subject, work) => {
        await attempt(run, subject, work);
      },
      written: () => deps.written(run.id),
      logger: log,
    });
    const done = execution.done
      .then((exit) => finish(run, masker, commits, exit))
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
      closed = true;
      closing.abort();
      forgetLapses();
      await leases.stop();
    },
  };
}
