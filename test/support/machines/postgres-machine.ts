import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFile, chmod, chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { findBinaries } from "#server/db/embedded/binaries.js";
import { createMachine, type Machine } from "./machine.js";
import type { Station } from "./network.js";

/** PostgreSQL refuses to run as root, and initdb as a user without a name: `nobody`. */
const account = { uid: 65_534, gid: 65_534 };
const PORT = 5432;

/** A machine with PostgreSQL and the empty database `omoi`. */
export interface PostgresMachine extends Machine {
  /** The address of the database, whose owner is the role `omoi`. */
  readonly url: string;
  /** Runs a statement as the administrator. */
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Waits until it accepts connections. */
  untilReady(): Promise<void>;
}

/** @param folder an existing folder that all users can traverse */
export async function createPostgresMachine(
  station: Station,
  folder: string,
): Promise<PostgresMachine> {
  const { native } = await findBinaries(account);
  const password = randomBytes(12).toString("hex");
  const data = join(folder, "postgres");
  const passwordFile = join(folder, "postgres-password");
  await mkdir(data, { mode: 0o700 });
  await writeFile(passwordFile, password);
  for (const path of [data, passwordFile]) await chown(path, account.uid, account.gid);
  await chmod(folder, 0o755);
  const { status, stderr } = spawnSync(
    join(native, "bin/initdb"),
    [
      `--pgdata=${data}`,
      "--username=postgres",
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale=C",
      "--no-sync",
    ],
    { ...account, cwd: folder, encoding: "utf8", env: { PATH: process.env["PATH"], LC_ALL: "C" } },
  );
  if (status !== 0) throw new Error(`initdb: ${stderr}`);
  const settings = {
    listen_addresses: station.address,
    unix_socket_directories: "",
    port: PORT,
    max_connections: 300,
    // The disk outlives its machine; only a power failure of this one would need fsync.
    fsync: "off",
    // Sessions of a machine that was cut off end, which frees their locks.
    tcp_keepalives_idle: 5,
    tcp_keepalives_interval: 2,
    tcp_keepalives_count: 3,
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key} = '${value}'\n`);
  await appendFile(join(data, "postgresql.conf"), lines.join(""));
  await appendFile(join(data, "pg_hba.conf"), "host all all all scram-sha-256\n");
  const machine = createMachine(station, {
    command: [
      "setpriv",
      `--reuid=${account.uid}`,
      `--regid=${account.gid}`,
      "--clear-groups",
      "/bin/sh",
      "-c",
      'rm -f "$1/postmaster.pid"; exec "$0" -D "$1"',
      join(native, "bin/postgres"),
      data,
    ],
    env: { LC_ALL: "C", TZ: "UTC" },
    logFile: join(folder, "postgres.log"),
  });
  const query = async <Row extends pg.QueryResultRow>(
    text: string,
    values: unknown[] = [],
    database = "omoi",
  ): Promise<Row[]> => {
    const client = new pg.Client({
      host: station.address,
      port: PORT,
      user: "postgres",
      password,
      database,
      connectionTimeoutMillis: 2000,
      query_timeout: 20_000,
    });
    client.on("error", () => {});
    try {
      await client.connect();
      return (await client.query<Row>(text, values)).rows;
    } finally {
      client.end().catch(() => {});
    }
  };
  const untilReady = async (): Promise<void> => {
    for (;;) {
      try {
        await query("select 1", [], "postgres");
        return;
      } catch {
        if (!machine.isOn()) throw new Error(`PostgreSQL has ended: ${machine.output()}`);
        await pause(100);
      }
    }
  };
  machine.boot();
  await untilReady();
  await query(`create role omoi login createrole password '${password}'`, [], "postgres");
  await query("create database omoi owner omoi", [], "postgres");
  return {
    ...machine,
    url: `postgres://omoi:${password}@${station.address}:${PORT}/omoi`,
    query,
    untilReady,
  };
}
