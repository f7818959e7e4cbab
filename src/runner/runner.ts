/** A runner: takes runs from a server and executes them on this machine. */
import { mkdir, readdir } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import { chooseDriver } from "#git/worktree/choose-driver.js";
import { openSandbox } from "#sandbox/open-sandbox.js";
import type { SandboxReport, SandboxSettings } from "#sandbox/sandbox.js";
import { isUsable, type UidRange } from "#sandbox/uid-range.js";
import { ConfigError } from "#shared/node/config-error.js";
import { isUuid } from "#shared/uuid.js";
import {
  MAX_OFFER_WAIT_SECONDS,
  RUNNER_LEASE_SECONDS,
  RUNNER_PROTOCOL,
  type OfferRequest,
} from "#shared/runner/protocol.js";
import { isUnknown, sendHeartbeats } from "./heartbeats.js";
import { openProjectCache } from "./project-cache.js";
import { resumeRemoteRun, startRemoteRun, type RemoteRun } from "./remote-run.js";
import type { RemoteRunDeps } from "./run-upload.js";
import { runnerStorage } from "./runner-storage.js";
import { connectToServer, repeated, UnreachableError } from "./server-connection.js";

export interface RunnerOptions {
  /** The address of the server, without a slash at its end. */
  url: string;
  token: string;
  labels: readonly string[];
  /** Runs at once. */
  slots: number;
  /** Where it keeps mirrors, layers and the folders of runs; absolute. */
  dataDir: string;
  sandbox: Omit<SandboxSettings, "dataDir">;
  folderDriver: "auto" | "overlay" | "checkout";
  /** The uids of runs where the runner is root; null for one that all share. */
  uids: UidRange | null;
  version: string;
  log: Logger;
}

export interface Runner {
  /** Takes no more runs, ends those in progress, and sends what they have made. */
  stop(): Promise<void>;
  /** Rejects when the server no longer knows the runner. */
  readonly failed: Promise<never>;
}

/** Runs that a stopping runner has until they are killed, and then for sending their work. */
const STOP_MS = 60_000;
/** A start whose answer was lost may have started the run, whose lease then goes on for this long. */
const START_MS = RUNNER_LEASE_SECONDS * 1000;
/** Interval of freeing what no run needs. */
const CLEAN_MS = 24 * 60 * 60_000;

/**
 * Starts a runner.
 * @throws ConfigError if this machine has no sandbox, or no folder driver
 */
export async function startRunner(options: RunnerOptions): Promise<Runner> {
  const { url, token, slots, log, version } = options;
  requireUids(options);
  const storage = runnerStorage(options.dataDir);
  await mkdir(storage.runs, { recursive: true, mode: 0o700 });
  const sandbox = await openSandbox({ ...options.sandbox, dataDir: options.dataDir });
  const networks = networksOf(sandbox.report);
  if (networks.length === 0) {
    const { reason, install } = sandbox.report;
    const cure = install === null ? "" : `; install it: ${install}`;
    await sandbox.close();
    throw new ConfigError(`Commands cannot be confined on this machine: ${reason ?? ""}${cure}`);
  }
  await sandbox.cleanUp();
  const { agentUid: id } = options.sandbox;
  const owner = process.getuid?.() === 0 ? { uid: id, gid: id } : null;
  const { driver, refused } = await chooseDriver(options.folderDriver, storage.overlays, owner);
  if (driver === null) {
    await sandbox.close();
    const reasons = refused.map(({ kind, reason }) => `${kind}: ${reason}`).join("; ");
    throw new ConfigError(`OMOI_FOLDER_DRIVER is overlay, but mounting fails (${reasons})`);
  }
  log.info({ driver: driver.name, sandbox: sandbox.report.mode, networks }, "opened the runner");

  const server = connectToServer(url, token);
  const cache = openProjectCache(storage, server, driver);
  /** Ends everything at once; runs go on after the next start. */
  const closing = new AbortController();
  /** Ends requests for runs. */
  const stopping = new AbortController();
  const deps: RemoteRunDeps = {
    server,
    storage,
    sandbox,
    pod: null,
    driver,
    cache,
    log,
    closing: closing.signal,
  };
  const uids = options.uids !== null && isUsable(options.uids) ? freeUids(options.uids) : null;
  const live = new Map<string, RemoteRun>();
  /** Called when a run has ended, which frees a slot. */
  const waiting = new Set<() => void>();
  let fail: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);

  const add = (run: RemoteRun, uid: number | null): void => {
    live.set(run.runId, run);
    void run.done.finally(() => {
      live.delete(run.runId);
      if (uid !== null) uids?.release(uid);
      for (const resume of waiting) resume();
      waiting.clear();
    });
  };

  // Leases of earlier runs go on from the first moment.
  const beats = sendHeartbeats(server, live, {
    log,
    closing: closing.signal,
    unknown: (error) => fail(error),
  });

  const offerRequest = (free: number): OfferRequest => ({
    protocol: RUNNER_PROTOCOL,
    labels: [...options.labels],
    networks,
    slots,
    free,
    version,
    host: hostname(),
    wait_seconds: MAX_OFFER_WAIT_SECONDS,
  });

  /** Starts an offered run, unless it was taken back. Returns whether it did. */
  const startOne = async (runId: string): Promise<boolean> => {
    const deadline = performance.now() + START_MS;
    try {
      const job = await repeated(
        () => server.start(runId),
        () => performance.now() > deadline,
        stopping.signal,
      );
      beats.answered();
      const uid = uids?.take() ?? null;
      add(startRemoteRun(deps, job, uid), uid);
      log.info({ run: runId, project: job.project_id }, "started a run");
      return true;
    } catch (error) {
      if (!stopping.signal.aborted) log.warn({ err: error, run: runId }, "cannot start a run");
      return false;
    }
  };
  const pauseUnlessStopping = (ms: number): Promise<void> =>
    pause(ms, undefined, { signal: stopping.signal }).catch(() => undefined);
  const takeRuns = async (): Promise<void> => {
    for (let waitMs = 1000; !stopping.signal.aborted;) {
      const free = slots - live.size;
      if (free <= 0) {
        await new Promise<void>((resolve) => waiting.add(resolve));
        continue;
      }
      try {
        const { runs } = await server.offers(offerRequest(free), stopping.signal);
        beats.answered();
        waitMs = 1000;
        const started = await Promise.all(runs.slice(0, free).map(startOne));
        // The same runs may be offered again at once.
        if (runs.length > 0 && !started.includes(true)) await pauseUnlessStopping(2000);
      } catch (error) {
        if (stopping.signal.aborted) return;
        if (isUnknown(error)) {
          fail(error);
          return;
        }
        log.warn({ err: error }, "cannot take runs; trying again");
        const askedMs = error instanceof UnreachableError ? (error.retryAfter ?? 0) * 1000 : 0;
        await pauseUnlessStopping(Math.min(Math.max(waitMs, askedMs), 30_000));
        waitMs = Math.min(waitMs * 2, 15_000);
      }
    }
  };

  for (const name of await readdir(storage.runs)) {
    if (!isUuid(name)) continue;
    try {
      const run = await resumeRemoteRun(deps, name);
      if (run === null) continue;
      log.info({ run: run.runId }, "goes on with a run of an earlier process");
      add(run, run.uid !== null && uids?.reserve(run.uid) === true ? run.uid : null);
    } catch (error) {
      log.error({ err: error, folder: storage.run(name).root }, "cannot go on with an earlier run");
    }
  }
  const clean = (): void => {
    const isUsed = (id: string): boolean =>
      [...live.values()].some(({ projectId }) => projectId === id);
    cache.clean(isUsed).catch((error: unknown) => {
      log.warn({ err: error }, "cannot clean the cache of projects");
    });
  };
  clean();
  const cleaning = setInterval(clean, CLEAN_MS).unref();
  const taking = takeRuns();
  log.info({ url, labels: options.labels, slots }, "takes runs");

  return {
    failed,
    stop: async () => {
      stopping.abort();
      clearInterval(cleaning);
      for (const resume of waiting) resume();
      await taking;
      for (const run of live.values()) {
        const detail = "The runner was stopped.";
        run.end({ status: "stopped", detail }, run.stopGraceMs);
      }
      const all = Promise.all([...live.values()].map(({ done }) => done));
      await Promise.race([all, pause(STOP_MS, undefined, { ref: false })]);
      closing.abort();
      await Promise.all([beats.done, all]);
      await sandbox.close();
    },
  };
}

/** Each run needs a uid of its own. @throws ConfigError */
function requireUids({ uids, slots }: RunnerOptions): void {
  if (uids === null || uids.last - uids.first + 1 >= slots) return;
  throw new ConfigError(
    `OMOI_SANDBOX_UIDS has fewer uids than the ${slots} slots of this runner; widen it, or use fewer slots`,
  );
}

/** The networks that a sandbox isolates. Without a sandbox, every run has that of the machine. */
function networksOf(report: SandboxReport): OfferRequest["networks"] {
  if (report.mode === "off") return ["full"];
  if (report.mode === "unavailable") return [];
  return [
    ...(report.network ? (["none"] as const) : []),
    ...(report.restrictedNetwork.isolated ? (["restricted"] as const) : []),
    ...(report.fullNetwork.isolated ? (["full"] as const) : []),
  ];
}

/** Hands out the uids of a range: each to one run at a time. */
function freeUids({ first, last }: UidRange): Uids {
  const used = new Set<number>();
  return {
    take: () => {
      for (let uid = first; uid <= last; uid += 1) {
        if (used.has(uid)) continue;
        used.add(uid);
        return uid;
      }
      return null;
    },
    reserve: (uid) => {
      if (uid < first || uid > last) return false;
      used.add(uid);
      return true;
    },
    release: (uid) => void used.delete(uid),
  };
}

interface Uids {
  take(): number | null;
  /** Returns false for one that is not of the range. */
  reserve(uid: number): boolean;
  release(uid: number): void;
}
