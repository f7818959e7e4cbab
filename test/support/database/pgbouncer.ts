import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { startDatabaseProxy } from "./database-proxy.js";

const program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].find(existsSync);
export const hasPgBouncer = program !== undefined;

export interface PgBouncer {
  /** Returns the connection to the database through the pooler, as the role. */
  through(role: { user: string; password: string }): pg.ClientConfig;
  /** Returns the number of forwarded transactions and queries; each query is a round trip. */
  counts(): Promise<{ transactions: number; queries: number }>;
  /** Ends it at once, as a failure of its machine does. */
  kill(): Promise<void>;
  /** Starts it again at the same address. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts a real pgbouncer in front of a database with few connections, which its clients share.
 * @param users the settings of single roles
 */
export async function startPgBouncer(
  target: pg.ClientConfig,
  roles: { user: string; password: string }[],
  settings: Record<string, string> = {},
  users: Record<string, string> = {},
): Promise<PgBouncer> {
  const folder = await mkdtemp(join(tmpdir(), "omoi-pgbouncer-"));
  const port = await freePort();
  // Only this process's user can open the socket of the tests' PostgreSQL, and pgbouncer refuses to
  // run as root.
  const way = await startDatabaseProxy(target);
  const counter = { user: "counter", password: "counter" };
  const lines = [
    "[databases]",
    `${target.database} = host=${way.config.host} port=${way.config.port} dbname=${target.database}`,
    "[pgbouncer]",
    ...Object.entries({
      listen_addr: "127.0.0.1",
      listen_port: String(port),
      unix_socket_dir: "",
      auth_type: "scram-sha-256",
      auth_file: join(folder, "users.txt"),
      pool_mode: "transaction",
      default_pool_size: "4",
      stats_users: counter.user,
      stats_period: "1",
      ...settings,
    }).map(([name, value]) => `${name} = ${value}`),
    "[users]",
    ...Object.entries(users).map(([name, value]) => `${name} = ${value}`),
  ];
  const passwords = [...roles, counter].map(({ user, password }) => `"${user}" "${password}"`);
  await writeFile(join(folder, "users.txt"), passwords.join("\n"));
  await writeFile(join(folder, "pgbouncer.ini"), lines.join("\n"));
  const account = process.getuid?.() === 0 ? { uid: 60_859, gid: 60_859 } : {};
  if (account.uid !== undefined) await chown(folder, account.uid, account.gid);
  const through: PgBouncer["through"] = (role) => ({
    host: "127.0.0.1",
    port,
    database: String(target.database),
    ...role,
  });
  const ask = async (): Promise<Record<string, string>[]> => {
    const client = new pg.Client({ ...through(counter), database: "pgbouncer" });
    await client.connect();
    try {
      return (await client.query<Record<string, string>>("show stats_totals")).rows;
    } finally {
      await client.end();
    }
  };
  const launch = async (): Promise<{ child: ChildProcess; ended: Promise<unknown> }> => {
    const child = spawn(program as string, [join(folder, "pgbouncer.ini")], {
      ...account,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    const ended = once(child, "close");
    for (let attempt = 0; ; attempt += 1) {
      const answer = await ask().catch((error: unknown) => error);
      if (Array.isArray(answer)) return { child, ended };
      if (child.exitCode !== null || attempt > 200) {
        throw new Error(`pgbouncer does not answer: ${String(answer)} ${said}`);
      }
      await pause(50);
    }
  };
  let running = await launch();
  return {
    through,
    counts: async () => {
      const row = (await ask()).find(({ database }) => database === target.database);
      return {
        transactions: Number(row?.["xact_count"] ?? 0),
        queries: Number(row?.["query_count"] ?? 0),
      };
    },
    kill: async () => {
      running.child.kill("SIGKILL");
      await running.ended;
    },
    start: async () => {
      running = await launch();
    },
    stop: async () => {
      const { child, ended } = running;
      child.kill("SIGINT");
      const late = setTimeout(() => child.kill("SIGKILL"), 5000);
      await ended;
      clearTimeout(late);
      await way.cut();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
