import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import type { Stats } from "node:fs";
import * as fs from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { accountName } from "./account.js";
import {
  canReach,
  EmbeddedPostgresError,
  errorCode,
  findBinaries,
  type PostgresBinaries,
  type ServerAccount,
} from "./binaries.js";

/** An initialized cluster and the programs to run it. */
export interface Cluster {
  readonly dataDir: string;
  readonly binaries: PostgresBinaries;
  /** Undefined: PostgreSQL runs as the user of this process. */
  readonly account: ServerAccount | undefined;
}

/** `nobody` on nearly every system. Version 0.1 used it for clusters made by root. */
const NOBODY = 65534;
const CURE = "give this user access to it, or set OMOI_DATA_DIR to another folder";
/** Temporary folders of initializations in progress in this process. */
const initializing = new Set<string>();

/**
 * Runs initdb when the cluster's folder is missing or empty. `claimFolder` then prepares it for
 * serving.
 * @param options the folder, and the uid of a new cluster where this process is root
 * @throws EmbeddedPostgresError when the folder has other content, another major version, or is not
 * accessible
 */
export async function prepareCluster(options: {
  dataDir: string;
  uid: number;
  durable: boolean;
  onProgress: (line: string) => void;
}): Promise<Cluster> {
  const { durable, onProgress } = options;
  const dataDir = await resolveFolder(resolve(options.dataDir));
  const state = await inspectFolder(dataDir);
  const account = accountFor(state.stats, options.uid);
  const binaries = await findBinaries(account, onProgress);
  const cluster = { dataDir, binaries, account };
  if (state.version === undefined) {
    onProgress(`Preparing a new PostgreSQL ${binaries.major} database in ${dataDir}`);
    await initialize(cluster, durable);
    await removeAbandoned(dataDir);
  } else if (state.version !== String(binaries.major)) {
    throw new EmbeddedPostgresError(
      `${dataDir} was made by PostgreSQL ${state.version}, but this Omoi brings ` +
        `${binaries.major}; dump it with its own version and restore, or set OMOI_DATA_DIR`,
    );
  }
  return cluster;
}

/** Makes the parent and resolves links, so that later comparisons use one name. */
async function resolveFolder(dataDir: string): Promise<string> {
  try {
    await fs.mkdir(dirname(dataDir), { recursive: true });
    return await fs
      .realpath(dataDir)
      .catch(async () => join(await fs.realpath(dirname(dataDir)), basename(dataDir)));
  } catch (cause) {
    throw unusable(dirname(dataDir), cause);
  }
}

async function inspectFolder(dataDir: string): Promise<{ stats?: Stats; version?: string }> {
  try {
    const stats = await fs.stat(dataDir);
    const names = await fs.readdir(dataDir);
    if (names.length === 0) return { stats };
    if (names.includes("PG_VERSION")) {
      const version = (await fs.readFile(join(dataDir, "PG_VERSION"), "utf8")).trim();
      return { stats, version };
    }
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return {};
    if (errorCode(cause) !== "ENOTDIR") throw unusable(dataDir, cause);
  }
  throw new EmbeddedPostgresError(
    `${dataDir} is not empty and is not a PostgreSQL cluster; ` +
      "move it away, or set OMOI_DATA_DIR to another folder",
  );
}

function unusable(path: string, cause: unknown): EmbeddedPostgresError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new EmbeddedPostgresError(`cannot use ${path} (${reason}); ${CURE}`, { cause });
}

function accountFor(stats: Stats | undefined, uid: number): ServerAccount | undefined {
  if (process.getuid?.() !== 0) return undefined;
  // An ordinary user's cluster stays that user's, so that it can be served without root again.
  if (stats !== undefined && stats.uid !== 0 && stats.uid !== NOBODY) {
    return { uid: stats.uid, gid: stats.gid };
  }
  return { uid, gid: uid };
}

/**
 * Returns the arguments and options with which every PostgreSQL program is spawned.
 * @throws EmbeddedPostgresError when the account cannot enter the folder
 */
export async function launchSettings(
  dataDir: string,
  account: ServerAccount | undefined,
): Promise<{ path: string; options: { cwd: string; env: NodeJS.ProcessEnv } }> {
  let path = dataDir;
  if (!(await canReach(dataDir, account))) {
    // Node enters the folder while still root; the kernel's link to the current folder bypasses the
    // parents that the account may not enter.
    path = "/proc/self/cwd";
    await fs.access(path).catch(() => {
      throw new EmbeddedPostgresError(
        `uid ${account?.uid} cannot reach ${dataDir}; run Omoi as an ordinary user, ` +
          "or set OMOI_DATA_DIR to a folder whose parents all users may enter",
      );
    });
  }
  // A fresh environment: PG* variables would change the server, and the rest may contain secrets.
  const env = { PATH: process.env["PATH"], TZ: "UTC", LC_ALL: "C" };
  return { path, options: { cwd: dataDir, env, ...account } };
}

/** Translates the error of a failed spawn into one that names the cause and the cure. */
export function spawnFailure(cause: unknown): EmbeddedPostgresError {
  const code = errorCode(cause);
  const reason =
    code === "ENOENT"
      ? "its programs need glibc, which this system lacks"
      : code === "EPERM" || code === "EINVAL"
        ? "this process is root but may not change to another user"
        : (cause as Error).message;
  return new EmbeddedPostgresError(
    `cannot run the embedded PostgreSQL: ${reason}; set OMOI_DATABASE_URL to a PostgreSQL 15 or newer`,
    { cause },
  );
}

/**
 * Initializes in a temporary folder and renames it, so that a killed initdb leaves no partial cluster.
 */
async function initialize(cluster: Cluster, durable: boolean): Promise<void> {
  const { dataDir, account } = cluster;
  // initdb requires a user name. An account without one gets the finished cluster.
  const isNamed = account === undefined || (await accountName(account.uid)) !== undefined;
  const maker = isNamed ? account : { uid: NOBODY, gid: NOBODY };
  const building = `${dataDir}.initializing-${process.pid}-${randomBytes(4).toString("hex")}`;
  initializing.add(building);
  try {
    await fs.mkdir(building, { mode: 0o700 });
    if (maker !== undefined) await fs.chown(building, maker.uid, maker.gid);
    await runInitdb({ ...cluster, account: maker }, building, durable);
    if (account !== undefined && !isNamed) await chownTree(building, account);
    await fs.rename(building, dataDir).catch((error: unknown) => {
      // A concurrent process was faster: its cluster is used.
      if (!["ENOTEMPTY", "EEXIST"].includes(errorCode(error) ?? "")) throw error;
    });
  } catch (cause) {
    if (cause instanceof EmbeddedPostgresError) throw cause;
    throw unusable(dataDir, cause);
  } finally {
    await fs.rm(building, { recursive: true, force: true });
    initializing.delete(building);
  }
}

async function runInitdb(cluster: Cluster, folder: string, durable: boolean): Promise<void> {
  const { path, options } = await launchSettings(folder, cluster.account);
  const initdb = spawn(
    join(cluster.binaries.native, "bin", "initdb"),
    [
      `--pgdata=${path}`,
      "--username=postgres",
      "--encoding=UTF8",
      "--no-instructions",
      // The builtin provider sorts by code point like C, classifies letters beyond ASCII, and needs no
      // system locale.
      "--locale=C",
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      // Replaced by the rules of `writeAccess`.
      "--auth=reject",
      ...(durable ? [] : ["--no-sync"]),
    ],
    { ...options, stdio: ["ignore", "ignore", "pipe"] },
  );
  let stderr = "";
  initdb.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  const status = await new Promise((done, fail) => {
    initdb.on("error", (error) => fail(spawnFailure(error)));
    initdb.on("close", (code, signal) => done(code ?? signal));
  });
  if (status === 0) return;
  const lines = stderr.trim().split("\n");
  const reason = lines.find((line) => /error|fatal|could not/i.test(line)) ?? lines.at(-1) ?? "";
  // Only initdb requires a user name, even when told not to use it; the server does not.
  const cure = reason.includes("could not look up effective user ID")
    ? "add this user to /etc/passwd, run Omoi as another, or set OMOI_DATABASE_URL"
    : "free some space, or set OMOI_DATA_DIR to another folder";
  throw new EmbeddedPostgresError(
    `cannot initialize the database in ${cluster.dataDir}: initdb failed (${String(status)}): ${reason}; ${cure}`,
  );
}

/** Deletes the temporary folders of killed initializations. */
async function removeAbandoned(dataDir: string): Promise<void> {
  const prefix = `${basename(dataDir)}.initializing-`;
  for (const name of await fs.readdir(dirname(dataDir))) {
    const path = join(dirname(dataDir), name);
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : NaN;
    if (Number.isNaN(pid) || initializing.has(path)) continue;
    if (pid !== process.pid && isAlive(pid)) continue;
    await fs.rm(path, { recursive: true, force: true });
  }
}

/** Whether a process with this id exists, under any user. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

/**
 * Sets the owner and mode that PostgreSQL requires and that protect its socket. No server may be
 * running.
 */
export async function claimFolder({ dataDir, account }: Cluster): Promise<void> {
  try {
    const { uid, mode } = await fs.stat(dataDir);
    if (account !== undefined && uid !== account.uid) {
      // Owned by root, such as a backup restored by root, or made by version 0.1.
      await chownTree(dataDir, account);
    }
    if ((mode & 0o077) !== 0) await fs.chmod(dataDir, 0o700);
    await fs.access(dataDir, fs.constants.W_OK);
    if (account === undefined && uid !== process.getuid?.()) {
      throw new Error(`it belongs to uid ${uid}`);
    }
  } catch (cause) {
    throw unusable(dataDir, cause);
  }
}

/** Changes the folder itself last: after an interruption, the next start repeats the change. */
async function chownTree(folder: string, { uid, gid }: ServerAccount): Promise<void> {
  for (const entry of await fs.readdir(folder, { recursive: true, withFileTypes: true })) {
    await fs.lchown(join(entry.parentPath, entry.name), uid, gid);
  }
  await fs.chown(folder, uid, gid);
}
