import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chownSync, openSync } from "node:fs";
import { appendFile, chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { findBinaries } from "#server/db/embedded/binaries.js";

const isRoot = process.getuid?.() === 0;
/** PostgreSQL refuses to run as root, and initdb as a user without a name: `nobody`. */
const account = isRoot ? { uid: 65_534, gid: 65_534 } : undefined;
const STATE_TIMEOUT_MS = 30_000;

/** One of the servers. */
export interface PostgresNode {
  readonly name: string;
  readonly port: number;
  /** Runs a statement as the administrator, in the database `postgres` unless another one is named. */
  query<Row extends pg.QueryResultRow>(text: string, database?: string): Promise<Row[]>;
  start(): Promise<void>;
  /** Ends all its processes at once, as a power failure does. */
  kill(): Promise<void>;
  /** Makes the standby a primary and waits until it accepts writes. */
  promote(): Promise<void>;
  /** Pauses or resumes all its processes: connections stay open, and nothing answers. */
  signal(signal: "SIGSTOP" | "SIGCONT"): Promise<void>;
}

export interface ReplicatedPostgres {
  readonly password: string;
  readonly nodes: readonly [PostgresNode, PostgresNode];
  /** An address of both servers, in the given order. */
  url(nodes: readonly PostgresNode[], query?: string): string;
  /**
   * Makes a stopped server a standby of another one: a copy of its files, taken while it is stopped, if
   * `from` is running, by `pg_backup_start`.
   */
  follow(standby: PostgresNode, primary: PostgresNode, isSynchronous: boolean): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts a primary with the database `omoi`, owned by the role `omoi`, and a standby by streaming
 * replication.
 * @param isSynchronous whether a commit waits for the standby
 */
export async function startReplicatedPostgres(isSynchronous: boolean): Promise<ReplicatedPostgres> {
  const { native } = await findBinaries(account);
  const folder = await mkdtemp(join(tmpdir(), "omoi-replicated-"));
  await chmod(folder, 0o755);
  const password = randomBytes(12).toString("hex");
  const options = { env: { PATH: process.env["PATH"], TZ: "UTC", LC_ALL: "C" }, ...account };
  const dataOf = (name: string): string => join(folder, name);

  const makeNode = async (name: string): Promise<PostgresNode> => {
    const port = await freePort();
    let server: ChildProcess | null = null;
    const admin = { host: "127.0.0.1", port, user: "postgres", password };
    const query = async <Row extends pg.QueryResultRow>(
      text: string,
      database = "postgres",
    ): Promise<Row[]> => {
      const client = new pg.Client({ ...admin, database, connectionTimeoutMillis: 2000 });
      client.on("error", () => {});
      try {
        await client.connect();
        return (await client.query<Row>(text)).rows;
      } finally {
        await client.end().catch(() => {});
      }
    };
    const until = async (condition: string): Promise<void> => {
      const end = Date.now() + STATE_TIMEOUT_MS;
      for (;;) {
        const rows = await query<{ ok: boolean }>(`select ${condition} as ok`).catch(() => []);
        if (rows[0]?.ok) return;
        if (Date.now() > end || server === null || server.exitCode !== null) {
          const log = await readFile(join(folder, `${name}.log`), "utf8").catch(() => "");
          throw new Error(`PostgreSQL ${name} is not: ${condition}\n${log.slice(-2000)}`);
        }
        await pause(20);
      }
    };
    return {
      name,
      port,
      query,
      start: async () => {
        const log = openSync(join(folder, `${name}.log`), "a");
        server = spawn(join(native, "bin/postgres"), ["-D", dataOf(name)], {
          ...options,
          cwd: dataOf(name),
          stdio: ["ignore", log, log],
        });
        await until("true");
      },
      kill: async () => {
        const child = server;
        if (child?.pid === undefined || child.exitCode !== null) return;
        const ended = once(child, "close");
        for (const pid of processesOf(child.pid)) killQuietly(pid, "SIGKILL");
        await ended;
        server = null;
      },
      promote: async () => {
        await query("select pg_promote(false)");
        await until("not pg_is_in_recovery()");
      },
      signal: async (signal) => {
        for (const pid of processesOf(server?.pid ?? -1)) killQuietly(pid, signal);
      },
    };
  };

  const nodes = [await makeNode("first"), await makeNode("second")] as const;
  const configure = async (node: PostgresNode, settings: Record<string, string | number>) => {
    const lines = Object.entries(settings).map(([key, value]) => `${key} = '${value}'\n`);
    await appendFile(join(dataOf(node.name), "postgresql.conf"), lines.join(""));
  };
  const replicated: ReplicatedPostgres = {
    password,
    nodes,
    url: (listed, search = "") => {
      const hosts = listed.map(({ port }) => `127.0.0.1:${port}`).join(",");
      return `postgresql://omoi:${password}@${hosts}/omoi${search}`;
    },
    follow: async (standby, primary, synchronous) => {
      const data = dataOf(standby.name);
      await rm(data, { recursive: true, force: true });
      // A backup of a running server in one session: files, then the label that recovery begins with.
      const client = new pg.Client({
        host: "127.0.0.1",
        port: primary.port,
        user: "postgres",
        password,
        database: "postgres",
      });
      await client.connect();
      await client.query("select pg_backup_start('standby', true)");
      spawnSync("cp", ["-a", dataOf(primary.name), data]);
      const { rows } = await client.query<{ labelfile: string }>(
        "select labelfile from pg_backup_stop(false)",
      );
      await client.end();
      await rm(join(data, "postmaster.pid"), { force: true });
      await writeFile(join(data, "backup_label"), rows[0]?.labelfile ?? "");
      await writeFile(join(data, "standby.signal"), "");
      if (account) {
        for (const file of ["backup_label", "standby.signal"]) {
          chownSync(join(data, file), account.uid, account.gid);
        }
      }
      await configure(standby, {
        port: standby.port,
        primary_conninfo: `host=127.0.0.1 port=${primary.port} user=postgres password=${password} application_name=${standby.name}`,
        synchronous_standby_names: "",
      });
      await standby.start();
      const end = Date.now() + STATE_TIMEOUT_MS;
      for (;;) {
        const streams = await primary.query(
          "select from pg_stat_replication where state = 'streaming'",
        );
        if (streams.length > 0) break;
        if (Date.now() > end) throw new Error("the standby does not stream");
        await pause(20);
      }
      if (synchronous) {
        await primary.query(`alter system set synchronous_standby_names = '*'`);
        await primary.query("select pg_reload_conf()");
        while (
          (await primary.query("select from pg_stat_replication where sync_state = 'sync'"))
            .length === 0
        ) {
          if (Date.now() > end) throw new Error("the standby is not synchronous");
          await pause(20);
        }
      }
      // ALTER SYSTEM is part of the copy of a later follower.
      await rm(join(data, "postgresql.auto.conf"), { force: true });
    },
    stop: async () => {
      for (const node of nodes) await node.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };

  const [first, second] = nodes;
  await mkdir(dataOf(first.name), { mode: 0o700 });
  const passwordFile = join(folder, "password");
  await writeFile(passwordFile, password);
  if (account) {
    for (const path of [dataOf(first.name), passwordFile])
      chownSync(path, account.uid, account.gid);
  }
  const initialized = spawnSync(
    join(native, "bin/initdb"),
    [
      `--pgdata=${dataOf(first.name)}`,
      "--username=postgres",
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale=C",
      "--no-sync",
    ],
    { ...options, encoding: "utf8", cwd: folder },
  );
  if (initialized.status !== 0) throw new Error(`initdb: ${initialized.stderr}`);
  await configure(first, {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    port: first.port,
    max_connections: 200,
    // A killed process loses nothing that the kernel has; only a power failure needs fsync.
    fsync: "off",
    wal_level: "replica",
    hot_standby: "on",
    wal_keep_size: "256MB",
    shared_buffers: "64MB",
  });
  await first.start();
  await first.query(`create role omoi login createrole password '${password}'`);
  await first.query("create database omoi owner omoi");
  await replicated.follow(second, first, isSynchronous);
  return replicated;
}

/** Returns a server's process and its children. */
function processesOf(pid: number): number[] {
  const { stdout } = spawnSync("ps", ["-o", "pid=", "--ppid", String(pid)], { encoding: "utf8" });
  return [
    pid,
    ...stdout
      .split("\n")
      .map(Number)
      .filter((child) => child > 0),
  ];
}

function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // The process has ended.
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
