import { once } from "node:events";
import * as fs from "node:fs/promises";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { SUPERUSER } from "./access.js";
import { EmbeddedPostgresError, errorCode } from "./binaries.js";
import { SOCKET_PORT } from "./postmaster.js";

/** The session that holds the lock, and the postmaster it belongs to. */
export interface Locked {
  readonly client: pg.Client;
  readonly pid: number;
}

/** PostgreSQL releases a killed process's lock as soon as it sees the closed connection. */
const LOCK_TIMEOUT_MS = 2_000;
const LOCK_RETURN_MS = 1_000;
/** "omoi", 1: the advisory lock of the one Omoi process that uses the database. */
const LOCK_KEY = [0x6f6d6f69, 1];

/**
 * Serializes postmaster starts on a folder. Returns the function that releases the lock, or undefined
 * while another process holds it. Postmasters that find a stale pid file must start one at a time: each
 * deletes the file it considers stale, which may be the new file of another one.
 */
export async function acquireStartLock(dataDir: string): Promise<(() => void) | undefined> {
  // Linux frees an abstract socket name when its process dies. On other systems PostgreSQL's own
  // interlocks have to suffice.
  const { dev, ino } = await fs.stat(dataDir);
  const server = createServer((socket) => socket.destroy()).unref();
  try {
    server.listen(`\0omoi-start-${dev}-${ino}`);
    await once(server, "listening");
    return () => void server.close();
  } catch (error) {
    return errorCode(error) === "EADDRINUSE" ? undefined : () => {};
  }
}

/** Opens a session as the superuser in the socket's folder, or returns the error. */
export async function connect(host: string): Promise<pg.Client | Error> {
  const client = new pg.Client({
    host,
    port: SOCKET_PORT,
    user: SUPERUSER,
    database: "postgres",
    ssl: false,
    connectionTimeoutMillis: 5_000,
    // Tells the next process the lock's holder.
    application_name: `omoi-lock ${process.pid}`,
  });
  // The server may end the session at any time; the next query reports it.
  client.on("error", () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    return error instanceof Error ? error : new Error(String(error));
  }
}

/**
 * Takes the advisory lock in the session, which keeps it until this process ends.
 * @param postmaster pid of the postmaster; undefined when this process cannot see it
 * @returns undefined when the server went away meanwhile
 * @throws EmbeddedPostgresError when another process holds the lock
 */
export async function lock(
  client: pg.Client,
  dataDir: string,
  pid: number | undefined,
): Promise<Locked | undefined> {
  let holder: string | undefined;
  try {
    const deadline = Date.now() + LOCK_TIMEOUT_MS;
    do {
      const locked = await tryLock(client);
      // The server is alive, so it is not a postmaster that has just exited.
      if (pid === undefined) break;
      if (locked) return { client, pid };
      holder = await lockHolder(client);
      await sleep(50);
    } while (Date.now() < deadline);
  } catch {
    await client.end().catch(() => {});
    return undefined;
  }
  await client.end().catch(() => {});
  const by =
    pid === undefined
      ? "by a PostgreSQL that was started in another container or under another path"
      : `by another Omoi process (pid ${holder ?? "unknown"})`;
  throw new EmbeddedPostgresError(
    `${dataDir} is already in use ${by}; stop it, or set OMOI_DATA_DIR to another folder`,
  );
}

async function tryLock(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(
    "select pg_try_advisory_lock($1, $2) as locked",
    LOCK_KEY,
  );
  return rows[0]?.locked === true;
}

async function lockHolder(client: pg.Client): Promise<string | undefined> {
  const { rows } = await client.query<{ name: string }>(
    `select application_name as name from pg_locks join pg_stat_activity using (pid)
      where locktype = 'advisory' and classid = $1 and objid = $2 and granted`,
    LOCK_KEY,
  );
  return rows[0]?.name.split(" ")[1];
}

/**
 * Takes the lock again whenever the session ends, as after a crash of a backend. Returns a function
 * that stops doing so; it returns another one, which closes the session.
 */
export function keepLock(
  first: pg.Client,
  host: string,
  onProgress: (line: string) => void,
): () => () => Promise<void> {
  let client = first;
  let released = false;
  const retry = (): void => {
    if (!released) setTimeout(() => void retake(), LOCK_RETURN_MS).unref();
  };
  const retake = async (): Promise<void> => {
    if (released) return;
    const next = await connect(host);
    if (!(next instanceof pg.Client)) return retry();
    client = next;
    next.once("end", retry);
    if (released) await next.end().catch(() => {});
    else if (!(await tryLock(next).catch(() => false))) {
      onProgress("Lost the lock on the embedded PostgreSQL; trying again");
      await next.end().catch(() => {});
    }
  };
  first.once("end", retry);
  return () => {
    released = true;
    return () => client.end().catch(() => {});
  };
}
