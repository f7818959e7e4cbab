import { execFile, spawn } from "node:child_process";
import { constants, existsSync } from "node:fs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EmbeddedPostgresError, errorCode } from "./binaries.js";
import { type Cluster, isAlive, launchSettings, spawnFailure } from "./cluster.js";

/** A postmaster spawned by this process. */
export interface SpawnedPostmaster {
  /**
   * Undefined while it runs; then the error from its log or the system. `folderTaken` means that it found
   * the folder taken by another postmaster or by the remains of a killed one.
   */
  failure(): Promise<{ error: EmbeddedPostgresError; folderTaken: boolean } | undefined>;
}

/** Part of the socket's file name; nothing listens on the network. */
export const SOCKET_PORT = 5432;
const LOG_LIMIT = 10 * 1024 * 1024;

const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: "",
  // Relative to the data folder: never too long, reachable whenever the data is, mode 0700.
  unix_socket_directories: ".",
  unix_socket_permissions: "0700",
  port: String(SOCKET_PORT),
  max_connections: "100",
  shared_buffers: "64MB",
  huge_pages: "off",
  max_wal_size: "256MB",
  autovacuum_max_workers: "2",
  // Fewer auxiliary processes, which a small server does not need.
  io_method: "sync",
  max_logical_replication_workers: "0",
  // Parallel queries need /dev/shm, which containers limit to 64 MB.
  max_parallel_workers_per_gather: "0",
  max_parallel_maintenance_workers: "0",
  logging_collector: "off",
  log_checkpoints: "off",
};

/**
 * Starts the cluster's postmaster, which outlives this process, without waiting until it is ready.
 * @throws EmbeddedPostgresError when the log cannot be written
 */
export async function spawnPostmaster(
  cluster: Cluster,
  settings: Readonly<Record<string, string>>,
): Promise<SpawnedPostmaster> {
  const { dataDir, account, binaries } = cluster;
  const { path, options } = await launchSettings(dataDir, account);
  const log = await openLog(cluster);
  const logStart = (await log.stat()).size;
  // PostgreSQL mistakes any live process of its user under the recorded pid for a postmaster. This
  // variable, made for pg_ctl, excludes a pid that is known to be none. Deleting the file instead could
  // delete that of a concurrently started postmaster.
  const recorded = await recordedPid(dataDir);
  const stale = recorded !== undefined && !(await isPostmasterOf(recorded, dataDir));
  const ignorePid = stale ? { PG_GRANDPARENT_PID: String(recorded) } : {};
  const configuration = Object.entries({ ...SETTINGS, ...settings }).flatMap(([key, value]) => [
    "-c",
    `${key}=${value}`,
  ]);
  const child = spawn(
    join(binaries.native, "bin", "postgres"),
    ["-D", path, "-c", folderMark(dataDir), ...configuration],
    {
      ...options,
      env: { ...options.env, ...ignorePid },
      // A session of its own: Ctrl-C in the terminal must reach Node only, which then stops the server
      // in order. Output goes directly to the file: a pipe would block or break once Node is gone.
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
    },
  );
  let spawnError: unknown;
  child.on("error", (error) => (spawnError = error));
  child.unref();
  await log.close();
  return {
    async failure() {
      if (spawnError !== undefined) return { error: spawnFailure(spawnError), folderTaken: false };
      const status = child.exitCode ?? child.signalCode;
      if (status === null) return undefined;
      const content = await fs.readFile(logPath(dataDir)).catch(() => Buffer.alloc(0));
      const lines = content.subarray(logStart).toString("utf8").trim().split("\n");
      const error = new EmbeddedPostgresError(
        `the embedded PostgreSQL did not start (${status}): ${lastReason(lines)}; ` +
          `see ${logPath(dataDir)}`,
      );
      // Only this postmaster's lines: several may be starting, all writing to this log.
      const own = lines.filter((line) => line.includes(`[${child.pid}]`));
      return { error, folderTaken: own.some((line) => /lock file|still in use/.test(line)) };
    },
  };
}

async function openLog({ dataDir, account }: Cluster): Promise<fs.FileHandle> {
  try {
    await limitLog(dataDir);
    // Root opens a file in another account's folder and must not follow a link planted there.
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT;
    const log = await fs.open(logPath(dataDir), flags | constants.O_NOFOLLOW, 0o600);
    if (account !== undefined) await log.chown(account.uid, account.gid);
    return log;
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `cannot write ${logPath(dataDir)} (${(cause as Error).message}); ` +
        "give this user access to it, or set OMOI_DATA_DIR to another folder",
      { cause },
    );
  }
}

function logPath(dataDir: string): string {
  return join(dataDir, "server.log");
}

/** Truncates the log when it is too large. */
export async function limitLog(dataDir: string): Promise<void> {
  const log = await fs
    .open(logPath(dataDir), constants.O_RDWR | constants.O_NOFOLLOW)
    .catch(() => undefined);
  if (log === undefined) return;
  // PostgreSQL opens the log for appending, so it continues at the new end.
  if ((await log.stat()).size > LOG_LIMIT) await log.truncate(0);
  await log.close();
}

function lastReason(lines: string[]): string {
  const relevant = lines.findLast(
    (line) =>
      /\b(FATAL|PANIC|ERROR|error|could not)\b/.test(line) &&
      // Answers to this process's connection attempts.
      !line.includes("the database system is"),
  );
  return (relevant ?? lines.at(-1) ?? "").replace(/^.*?\[\d+\]\s+/, "") || "it logged nothing";
}

async function recordedPid(dataDir: string): Promise<number | undefined> {
  const content = await fs.readFile(join(dataDir, "postmaster.pid"), "utf8").catch(() => "");
  const pid = Number.parseInt(content, 10);
  return Number.isNaN(pid) ? undefined : pid;
}

/** Returns the pid of the folder's postmaster, or undefined. */
export async function findPostmaster(dataDir: string): Promise<number | undefined> {
  const pid = await recordedPid(dataDir);
  return pid !== undefined && (await isPostmasterOf(pid, dataDir)) ? pid : undefined;
}

/**
 * Checks the arguments, because the pid may have been reused. The links to its folder and program would
 * prove it too, but root in a container may not follow them.
 */
async function isPostmasterOf(pid: number, dataDir: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  if (existsSync("/proc/self/cmdline")) {
    // Empty for a zombie whose parent was killed.
    const line = await fs.readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    const [program = "", ...rest] = line.split("\0");
    return program.endsWith("/postgres") && rest.includes(folderMark(dataDir));
  }
  return new Promise((done) => {
    execFile("ps", ["-ww", "-o", "command=", "-p", String(pid)], (_error, stdout) => {
      done(stdout.includes("/postgres ") && stdout.includes(` ${folderMark(dataDir)} `));
    });
  });
}

/** A setting without effect: marks the folder in the arguments when `-D` does not name it. */
function folderMark(dataDir: string): string {
  return `omoi.data_dir=${dataDir}`;
}

/**
 * Stops a postmaster and its sessions, keeping all committed data, and waits for its exit.
 * @throws EmbeddedPostgresError when it does not exit
 */
export async function stopPostmaster(pid: number, dataDir: string): Promise<void> {
  // SIGQUIT skips the shutdown checkpoint; the next start recovers from the write-ahead log.
  for (const [signal, timeout] of [["SIGINT", 8000] as const, ["SIGQUIT", 10_000] as const]) {
    const deadline = Date.now() + timeout;
    if (!(await isPostmasterOf(pid, dataDir))) return;
    try {
      process.kill(pid, signal);
    } catch (error) {
      // It has just exited.
      if (errorCode(error) === "ESRCH") return;
      throw error;
    }
    while (Date.now() < deadline) {
      if (!(await isPostmasterOf(pid, dataDir))) return;
      await sleep(10);
    }
  }
  throw new EmbeddedPostgresError(
    `the embedded PostgreSQL (pid ${pid}) does not stop; see ${logPath(dataDir)}`,
  );
}
