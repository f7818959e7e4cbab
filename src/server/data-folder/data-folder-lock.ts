/** Which servers may use a data folder: a lock in it, which the kernel frees when a process ends. */
import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, openSync, readFileSync, readlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { ConfigError } from "#shared/node/config-error.js";

/** How long a server that is just ending is waited for. */
const PATIENCE_MS = 2000;
const RETRY_MS = 100;

/** The server that locked the folder first. */
interface Holder {
  pid: number;
  place: string;
}

/**
 * Locks the data folder until this process ends. A server that serves alone has the folder for itself.
 * Others share it where they see the same processes and mounts: they judge by process ids which runs are
 * left over, and mount each workspace once. flock(2) holds in every container on the same volume.
 * @throws ConfigError where another server has the folder, or it cannot be locked
 */
export async function lockDataFolder(dataDir: string, isAlone: boolean): Promise<void> {
  // Elsewhere the lock of the embedded database must do.
  if (process.platform !== "linux") return;
  const file = join(dataDir, "server.lock");
  const lock = openSync(file, "a+", 0o600);
  // Held only while a server takes the lock: a change from exclusive to shared is no single step.
  const turn = openSync(join(dataDir, "server.lock.turn"), "a+", 0o600);
  try {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      if (flock(turn, "-x")) {
        if (take(lock, file, isAlone)) return;
        flock(turn, "-u");
      }
      if (performance.now() > deadline) break;
      await pause(RETRY_MS);
    }
    throw inUse(dataDir, readHolder(file));
  } catch (error) {
    closeSync(lock);
    throw error;
  } finally {
    closeSync(turn);
  }
}

/** Whether this process may use the folder now; while it has the turn. */
function take(lock: number, file: string, isAlone: boolean): boolean {
  const place = ownPlace();
  if (flock(lock, "-x")) {
    ftruncateSync(lock);
    writeSync(lock, `${JSON.stringify({ pid: process.pid, place } satisfies Holder)}\n`);
    return isAlone || flock(lock, "-s");
  }
  return !isAlone && readHolder(file)?.place === place && flock(lock, "-s");
}

/**
 * Locks an open file without waiting; the lock belongs to the file as it is open here, so that it stays
 * when the program that sets it has ended. @returns false where another process has it
 */
function flock(fd: number, kind: "-x" | "-s" | "-u"): boolean {
  const { status, error, stderr } = spawnSync("flock", ["-n", kind, "3"], {
    stdio: ["ignore", "ignore", "pipe", fd],
    encoding: "utf8",
  });
  if (error !== undefined) {
    throw new ConfigError("flock is not on the PATH; install util-linux");
  }
  const said = stderr.trim();
  if (status === 0 || said === "") return status === 0;
  throw new ConfigError(
    `The data folder cannot be locked (${said}); set OMOI_DATA_DIR to a folder on a file system with locks`,
  );
}

/** What a process sees of others: the boot of the kernel, and the namespaces of processes and mounts. */
function ownPlace(): string {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return [boot, readlinkSync("/proc/self/ns/pid"), readlinkSync("/proc/self/ns/mnt")].join(" ");
}

function readHolder(file: string): Holder | null {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Holder;
  } catch {
    // It is just being written.
    return null;
  }
}

function inUse(dataDir: string, holder: Holder | null): ConfigError {
  const by =
    holder === null || holder.place === ownPlace()
      ? `by another Omoi process (pid ${holder?.pid ?? "unknown"})`
      : "by an Omoi server in another container, or with other mounts";
  return new ConfigError(
    `${dataDir} is already in use ${by}; stop it, or set OMOI_DATA_DIR to another folder`,
  );
}
