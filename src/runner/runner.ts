/** A runner: takes runs from a server and executes them on this machine. */
import { mkdir, readdir } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import { chooseDriver } from "#git/worktree/choose-driver.js";
import { openSandbox } from "#sandbox/open-sandbox.js";
import type { SandboxReport, SandboxSettings } from "#sandbox/sandbox.js";
import type { UidRange } from "#sandbox/uid-range.js";
import { ConfigError } from "#shared/node/config-error.js";
import { isUuid } from "#shared/uuid.js";
import {
  MAX_OFFER_WAIT_SECONDS,
  RUNNER_PROTOCOL,
  type OfferRequest,
} from "#shared/execution/runner/protocol.js";
import { sendHeartbeats } from "./heartbeats.js";
import { createLiveRuns } from "./live-runs.js";
import { openProjectCache } from "./project-cache.js";
import { resumeRemoteRun } from "./remote-run.js";
import type { RemoteRunDeps } from "./run-upload.js";
import { runnerStorage, type RunnerStorage } from "./runner-storage.js";
import { connectToServer } from "./server-connection.js";
import { takeRuns } from "./take-runs.js";

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
  const { sandbox, networks, driver } = await openMachine(options, storage);
  log.info({ driver: driver.name, sandbox: sandbox.report.mode, networks }, "opened the runner");

  const server = connectToServer(url, token);
  const cache = openProjectCache(storage, server, driver);
  /** Ends everything at once; runs go on after the next start. */
  const closing = new AbortController();
  /** Ends requests for runs. */
  const stopping = new AbortController();
  const remote: RemoteRunDeps = {
    server,
    storage,
    sandbox,
    pod: null,
    driver,
    cache,
    log,
    closing: closing.signal,
  };
  const runs = createLiveRuns(options.uids);
  let fail: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);

  // Leases of earlier runs go on from the first moment.
  const beats = sendHeartbeats(server, runs.live, {
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

  for (const name of await readdir(storage.runs)) {
    if (!isUuid(name)) continue;
    try {
      const run = await resumeRemoteRun(remote, name);
      if (run === null) continue;
      log.info({ run: run.runId }, "goes on with a run of an earlier process");
      runs.add(run, runs.reserveUid(run.uid));
    } catch (error) {
      log.error({ err: error, folder: storage.run(name).root }, "cannot go on with an earlier run");
    }
  }
  const clean = (): void => {
    const isUsed = (id: string): boolean =>
      [...runs.live.values()].some(({ projectId }) => projectId === id);
    cache.clean(isUsed).catch((error: unknown) => {
      log.warn({ err: error }, "cannot clean the cache of projects");
    });
  };
  clean();
  const cleaning = setInterval(clean, CLEAN_MS).unref();
  const taking = takeRuns({
    remote,
    runs,
    slots,
    offer: offerRequest,
    answered: () => beats.answered(),
    fail: (error) => fail(error),
    stopping: stopping.signal,
  });
  log.info({ url, labels: options.labels, slots }, "takes runs");

  return {
    failed,
    stop: async () => {
      stopping.abort();
      clearInterval(cleaning);
      runs.wake();
      await taking;
      for (const run of runs.live.values()) {
        const detail = "The runner was stopped.";
        run.end({ status: "stopped", detail }, run.stopGraceMs);
      }
      const all = Promise.all([...runs.live.values()].map(({ done }) => done));
      await Promise.race([all, pause(STOP_MS, undefined, { ref: false })]);
      closing.abort();
      await Promise.all([beats.done, all]);
      await sandbox.close();
    },
  };
}

/** Opens the sandbox of this machine and the driver of its folders. @throws ConfigError */
async function openMachine(options: RunnerOptions, storage: RunnerStorage) {
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
  return { sandbox, networks, driver };
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
