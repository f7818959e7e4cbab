/** A lock on the data folder, which the kernel releases when the process ends. */
import { spawnSync } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
  existsSync,
  readlinkSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { ConfigError } from "#shared/node/config-error.js";
import { hostname } from "node:os";

/** Maximum wait for a server that is shutting down. */
const TIMEOUT_MS = 2000;
const RETRY_MS = 100;

/** The server that took the lock first. */
interface Holder {
  pid: number;
  place: string;
}

/**
 * Locks the data folder until this process ends. A standalone server locks it exclusively. Other
 * servers share it if they see the same processes and mounts: orphaned runs are recognized by process
 * id, and each workspace is mounted once. flock(2) works across all containers on the same volume.
 * @returns a time, in milliseconds since 1970, at which no other server used the folder; null if others use it now
 * @throws ConfigError when another server uses the folder, or it cannot be locked
 */
export async function lockDataFolder(dataDir: string, isAlone: boolean): Promise<number | null> {
  // Other systems rely on the lock of the embedded database.
  if (process.platform !== "linux") return isAlone ? Date.now() : null;
  const file = join(dataDir, "server.lock");
  const lock = openSync(file, "a+", 0o600);
  // Held only while a server takes the lock: changing it from exclusive to shared is not atomic.
  const turn = openSync(join(dataDir, "server.lock.turn"), "a+", 0o600);
  try {
    const deadline = performance.now() + TIMEOUT_MS;
    for (;;) {
      if (flock(turn, "-x")) {
        const acquired = tryAcquire(lock, file, isAlone);
        if (acquired !== null) return acquired.aloneAt;
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

/** Takes the lock, unless this process may not use the folder now: null. The caller holds the turn. */
function tryAcquire(
  lock: number,
  file: string,
  isAlone: boolean,
): { aloneAt: number | null } | null {
  const place = currentNamespaces();
  if (flock(lock, "-x")) {
    ftruncateSync(lock);
    writeSync(lock, `${JSON.stringify({ pid: process.pid, place } satisfies Holder)}\n`);
    const aloneAt = Date.now();
    return isAlone || flock(lock, "-s") ? { aloneAt } : null;
  }
  const isShared = !isAlone && readHolder(file)?.place === place && flock(lock, "-s");
  return isShared ? { aloneAt: null } : null;
}

/**
 * Locks an open file without waiting. The lock belongs to the open file description, so it outlives the
 * program that sets it.
 * @returns false when another process holds the lock
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
    `The data folder cannot be locked (${said}); set OMOI_DATA_DIR to a folder on a file system that supports locks`,
  );
}

function readHolder(file: string): Holder | null {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Holder;
  } catch {
    // The file is being written.
    return null;
  }
}

function inUse(dataDir: string, holder: Holder | null): ConfigError {
  const by =
    holder === null || holder.place === currentNamespaces()
      ? `by another Omoi process (pid ${holder?.pid ?? "unknown"})`
      : "by an Omoi server in another container, or with other mounts";
  return new ConfigError(
    `${dataDir} is already in use ${by}; stop it, or set OMOI_DATA_DIR to another folder`,
  );
}

const bootFile = "/proc/sys/kernel/random/boot_id";

/** Returns the id of the kernel's boot; the host name on systems without one. */
export function currentBoot(): string {
  return existsSync(bootFile) ? readFileSync(bootFile, "utf8").trim() : hostname();
}

/**
 * Identifies the processes and mounts that this process sees: the kernel's boot, and the pid and mount
 * namespaces.
 */
export function currentNamespaces(): string {
  if (process.platform !== "linux") return currentBoot();
  return [currentBoot(), readlinkSync("/proc/self/ns/pid"), readlinkSync("/proc/self/ns/mnt")].join(
    " ",
  );
}
