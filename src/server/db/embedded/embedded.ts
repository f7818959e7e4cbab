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

/** A running PostgreSQL and how `pg` connects to it, over a Unix socket. */
export interface EmbeddedPostgres {
  /** The folder of the socket: absolute, and short enough for a socket address. */
  readonly host: string;
  /** Only names the socket file; nothing listens on the network. */
  readonly port: number;
  /** The superuser. */
  readonly user: string;
  /** The ordinary role that owns the database. */
  readonly owner: string;
  readonly database: string;
  /** Ends all sessions and the server, and waits until it is gone; a second call does no more. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** The folder of the cluster; created when missing. */
  dataDir: string;
  /** The user that a cluster made by root is served under. */
  uid: number;
  onProgress?: (line: string) => void;
  /** Further settings of the server, e.g. `{ fsync: "off" }` for tests. */
  settings?: Record<string, string>;
}

/** A socket address holds 103 bytes on macOS and 107 on Linux. */
const MAX_SOCKET_PATH = 100;
const START_PATIENCE_MS = 30_000;
const LOG_CHECK_MS = 60_000;

/**
 * Takes the folder of a cluster and starts PostgreSQL on it, or adopts the one that a killed Omoi
 * left running there. Gives the connection settings once it accepts connections and no other Omoi
 * process uses it. Throws EmbeddedPostgresError, whose one line tells the reason and the cure.
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
    await endForeign(cluster, socket.host);
    await claimFolder(cluster);
    await writeAccess(cluster);
    const { client, pid } = await startAndLock(cluster, socket.host, settings, onProgress);
    await makeOwner(client);
    const releaseLock = keepLock(client, socket.host, onProgress);
    const logCheck = setInterval(() => void limitLog(dataDir).catch(() => {}), LOG_CHECK_MS);
    logCheck.unref();
    const stop = async (): Promise<void> => {
      clearInterval(logCheck);
      // The lock is held until the server is gone: nobody can adopt a server about to stop.
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
 * The PostgreSQL of a folder for a visit beside the server: the one that runs there, else one started
 * for as long as it takes; `stop` leaves a server that was there alone.
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
 * Ends a PostgreSQL that was left running under another user than the cluster is to have, such as one of
 * version 0.1. Throws EmbeddedPostgresError when another Omoi process uses it.
 */
async function endForeign({ dataDir, account }: Cluster, host: string): Promise<void> {
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

/** The folder itself, or a short link to it when the path of the socket would be too long. */
async function socketFolder(
  dataDir: string,
): Promise<{ host: string; remove: () => Promise<void> }> {
  if (Buffer.byteLength(join(dataDir, `.s.PGSQL.${SOCKET_PORT}`)) <= MAX_SOCKET_PATH) {
    return { host: dataDir, remove: async () => {} };
  }
  const base = Buffer.byteLength(tmpdir()) <= 60 ? tmpdir() : "/tmp";
  // mkdtemp makes it 0700, so nobody else can point the link elsewhere.
  const folder = await fs.mkdtemp(join(base, "omoi-pg-"));
  const host = join(folder, "s");
  await fs.symlink(dataDir, host);
  return { host, remove: () => fs.rm(folder, { recursive: true, force: true }) };
}

/**
 * Connects, whoever started the server, and starts one when there is none. What other processes
 * do at the same time can undo each step, so all of them are repeated until one attempt gets
 * through: PostgreSQL lets one postmaster have the folder, and its lock lets one Omoi have that.
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
    while (Date.now() < begin + START_PATIENCE_MS) {
      const attempt = await connect(host);
      if (attempt instanceof pg.Client) {
        const pid = await findPostmaster(dataDir);
        const locked = await lock(attempt, dataDir, pid);
        if (locked !== undefined) {
          if (spawned === undefined) {
            onProgress(`Using the PostgreSQL left running (pid ${pid})`);
            // An older version may have started it, which let others in.
            await attempt.query("select pg_reload_conf()");
          }
          return locked;
        }
      } else {
        lastReason = attempt.message;
        const failure = await spawned?.failure();
        if (failure !== undefined) {
          if (!failure.outrun) throw failure.error;
          lastReason = failure.error.message;
          spawned = undefined;
        }
        // A server answers with an SQLSTATE, e.g. that it is starting; the system with "ENOENT".
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
    // Not stopped: after a crash it may be recovering, and must not begin that anew every time.
    throw new EmbeddedPostgresError(
      `the embedded PostgreSQL in ${dataDir} is not ready after ${START_PATIENCE_MS / 1000} s ` +
        `(${lastReason}); see ${join(dataDir, "server.log")} and start Omoi again`,
    );
  } finally {
    endTurn?.();
  }
}
