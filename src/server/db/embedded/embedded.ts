import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { EmbeddedPostgresError, errorCode } from "./binaries.js";
import { SUPERUSER, writeAccess } from "./access.js";
import { claimFolder, type Cluster, prepareCluster } from "./cluster.js";
import { makeOwner, OWNER } from "./owner.js";
import { connect, keepLock, lock, type Locked, acquireStartLock } from "./lock.js";
import {
  findPostmaster,
  limitLog,
  SOCKET_PORT,
  spawnPostmaster,
  type SpawnedPostmaster,
  stopPostmaster,
} from "./postmaster.js";

export { EmbeddedPostgresError } from "./binaries.js";

/** A running PostgreSQL and its connection settings for `pg`, over a Unix socket. */
export interface EmbeddedPostgres {
  /** The folder of the socket: absolute, and short enough for a socket address. */
  readonly host: string;
  /** Part of the socket's file name; nothing listens on the network. */
  readonly port: number;
  /** The superuser. */
  readonly user: string;
  /** The unprivileged role that owns the database. */
  readonly owner: string;
  readonly database: string;
  /** Ends all sessions and the server and waits for its exit. A second call has no effect. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** The folder of the cluster; created when missing. */
  dataDir: string;
  /** The uid that serves a cluster made by root. */
  uid: number;
  onProgress?: (line: string) => void;
  /** Additional server settings, e.g. `{ fsync: "off" }` for tests. */
  settings?: Record<string, string>;
}

/** A socket address holds 103 bytes on macOS and 107 on Linux. */
const MAX_SOCKET_PATH = 100;
const START_TIMEOUT_MS = 30_000;
const LOG_CHECK_MS = 60_000;

/**
 * Starts PostgreSQL on a cluster's folder, or adopts the server a killed Omoi left running. Resolves
 * once it accepts connections and this process holds its lock.
 * @throws EmbeddedPostgresError with the cause and the cure in one line
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const { settings = {}, uid, onProgress = () => {} } = options;
  const durable = settings["fsync"] !== "off";
  const cluster = await prepareCluster({ dataDir: options.dataDir, uid, durable, onProgress });
  const { dataDir } = cluster;
  const socket = await socketFolder(dataDir);
  try {
    await stopForeign(cluster, socket.host);
    await claimFolder(cluster);
    await writeAccess(cluster);
    const { client, pid } = await startAndLock(cluster, socket.host, settings, onProgress);
    await makeOwner(client);
    const releaseLock = keepLock(client, socket.host, onProgress);
    const logCheck = setInterval(() => void limitLog(dataDir).catch(() => {}), LOG_CHECK_MS);
    logCheck.unref();
    const stop = async (): Promise<void> => {
      clearInterval(logCheck);
      // The lock is held until the server has exited, so that no process adopts a stopping server.
      const disconnect = releaseLock();
      try {
        await stopPostmaster(pid, dataDir);
      } finally {
        await disconnect();
        await socket.remove();
      }
    };
    let stopped: Promise<void> | undefined;
    return {
      host: socket.host,
      port: SOCKET_PORT,
      user: SUPERUSER,
      owner: OWNER,
      database: "postgres",
      stop: () => (stopped ??= stop()),
    };
  } catch (error) {
    await socket.remove();
    throw error;
  }
}

/**
 * Connects to a cluster without being its server: uses the running PostgreSQL, or starts one for the
 * duration. `stop` leaves a server that was already running alone.
 */
export async function withOfflinePostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const socket = await socketFolder(options.dataDir);
  const client = await connect(socket.host);
  if (!(client instanceof pg.Client)) {
    await socket.remove();
    return startEmbeddedPostgres(options);
  }
  await client.end();
  return {
    host: socket.host,
    port: SOCKET_PORT,
    user: SUPERUSER,
    owner: OWNER,
    database: "postgres",
    stop: () => socket.remove(),
  };
}

/**
 * Stops a PostgreSQL left running under another user than the cluster's, such as one of version 0.1.
 * @throws EmbeddedPostgresError when another Omoi process uses it
 */
async function stopForeign({ dataDir, account }: Cluster, host: string): Promise<void> {
  const pid = await findPostmaster(dataDir);
  if (pid === undefined || account === undefined) return;
  const status = await fs.readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const owner = /^Uid:\s+(\d+)/m.exec(status)?.[1];
  if (owner === undefined || owner === String(account.uid)) return;
  const client = await connect(host);
  const locked = client instanceof pg.Client ? await lock(client, dataDir, pid) : undefined;
  await stopPostmaster(pid, dataDir);
  await locked?.client.end().catch(() => {});
}

/** Returns the folder itself, or a short link to it when the socket's path would be too long. */
async function socketFolder(
  dataDir: string,
): Promise<{ host: string; remove: () => Promise<void> }> {
  if (Buffer.byteLength(join(dataDir, `.s.PGSQL.${SOCKET_PORT}`)) <= MAX_SOCKET_PATH) {
    return { host: dataDir, remove: async () => {} };
  }
  const base = Buffer.byteLength(tmpdir()) <= 60 ? tmpdir() : "/tmp";
  // mkdtemp makes it 0700, so no other user can redirect the link.
  const folder = await fs.mkdtemp(join(base, "omoi-pg-"));
  const host = join(folder, "s");
  await fs.symlink(dataDir, host);
  return { host, remove: () => fs.rm(folder, { recursive: true, force: true }) };
}

/**
 * Connects to the server, starting one if necessary. Concurrent processes can undo each step, so all of
 * them are repeated until one attempt succeeds: PostgreSQL admits one postmaster per folder, and its
 * lock admits one Omoi.
 */
async function startAndLock(
  cluster: Cluster,
  host: string,
  settings: Record<string, string>,
  onProgress: (line: string) => void,
): Promise<Locked> {
  const { dataDir } = cluster;
  const begin = Date.now();
  let spawned: SpawnedPostmaster | undefined;
  let waiting = false;
  let lastReason = "";
  let endTurn: (() => void) | undefined;
  try {
    while (Date.now() < begin + START_TIMEOUT_MS) {
      const attempt = await connect(host);
      if (attempt instanceof pg.Client) {
        const pid = await findPostmaster(dataDir);
        const locked = await lock(attempt, dataDir, pid);
        if (locked !== undefined) {
          if (spawned === undefined) {
            onProgress(`Using the PostgreSQL left running (pid ${pid})`);
            // An older version may have started it with laxer access rules.
            await attempt.query("select pg_reload_conf()");
          }
          return locked;
        }
      } else {
        lastReason = attempt.message;
        const failure = await spawned?.failure();
        if (failure !== undefined) {
          if (!failure.folderTaken) throw failure.error;
          lastReason = failure.error.message;
          spawned = undefined;
        }
        // The server answers with an SQLSTATE, e.g. while starting; the system with a code such as
        // "ENOENT".
        const answers = /^\d[0-9A-Z]{4}$/.test(errorCode(attempt) ?? "");
        if (spawned === undefined && !answers) {
          endTurn ??= await acquireStartLock(dataDir);
          if (endTurn !== undefined && (await findPostmaster(dataDir)) === undefined) {
            spawned = await spawnPostmaster(cluster, settings);
          }
        } else if (answers && !waiting && Date.now() > begin + 1_000) {
          waiting = true;
          onProgress(`Waiting for PostgreSQL: ${attempt.message}`);
        }
      }
      await sleep(spawned === undefined ? 50 : 10);
    }
    // Not stopped: it may be recovering from a crash, and a restart would begin that again.
    throw new EmbeddedPostgresError(
      `the embedded PostgreSQL in ${dataDir} is not ready after ${START_TIMEOUT_MS / 1000} s ` +
        `(${lastReason}); see ${join(dataDir, "server.log")} and start Omoi again`,
    );
  } finally {
    endTurn?.();
  }
}
