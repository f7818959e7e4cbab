import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import pg from "pg";
import { afterEach, expect, test } from "vitest";
import { builtFile, root } from "#test/support/server/built-files.js";
import { findBinaries, prepareBinaries } from "./binaries.js";
import { acquireStartLock } from "./lock.js";
import { findPostmaster, limitLog, stopPostmaster } from "./postmaster.js";
import { type EmbeddedPostgres, EmbeddedPostgresError, startEmbeddedPostgres } from "./embedded.js";

/** The built module, which starts much faster than the sources. */
const MODULE = pathToFileURL(builtFile("server/db/embedded/embedded.js")).href;
const IS_ROOT = process.getuid?.() === 0;
const settings = { fsync: "off" };
/** A uid that no user of this machine has. */
const uid = 60_859;
/** The user of the embedded PostgreSQL in version 0.1. */
const nobody = { uid: 65_534, gid: 65_534 };

const folders: string[] = [];
const dataDirs: string[] = [];
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const dataDir of dataDirs.splice(0)) {
    const pid = await findPostmaster(dataDir);
    if (pid !== undefined) await stopPostmaster(pid, dataDir);
  }
  for (const folder of folders.splice(0)) await fs.rm(folder, { recursive: true, force: true });
});

/** A folder as an installation has it; all users may enter its parents. */
async function newFolder(mode = 0o755): Promise<string> {
  const folder = await fs.realpath(await fs.mkdtemp(join(tmpdir(), "omoi-embedded-test-")));
  folders.push(folder);
  await fs.chmod(folder, mode);
  return folder;
}

async function newDataDir(mode = 0o755): Promise<string> {
  const dataDir = join(await newFolder(mode), "postgres");
  dataDirs.push(dataDir);
  return dataDir;
}

async function start(dataDir: string): Promise<EmbeddedPostgres> {
  return startEmbeddedPostgres({ dataDir, uid, settings });
}

async function refusal(dataDir: string): Promise<string> {
  const error: unknown = await start(dataDir).then(
    () => new Error("it started"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EmbeddedPostgresError);
  expect((error as Error).message).not.toContain("\n");
  return (error as Error).message;
}

/** Connects as another user; returns "in" or the reason of the rejection. */
async function connectAs(
  server: EmbeddedPostgres,
  account: { uid?: number; gid?: number },
  role: { user: string; password?: string },
): Promise<string> {
  const { host, port, database } = server;
  const script = `
    const pg = (await import("pg")).default;
    const client = new pg.Client(${JSON.stringify({ host, port, database, ...role })});
    await client.connect().then(() => console.log("in"), (error) => console.log(error.message));
    process.exit();`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    cwd: root,
    ...account,
  });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return line;
}

async function query(server: EmbeddedPostgres, text: string): Promise<Record<string, unknown>[]> {
  const { host, port, user, database } = server;
  const client = new pg.Client({ host, port, user, database });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

async function childrenOf(pid: number | undefined): Promise<number[]> {
  const children: number[] = [];
  for (const name of await fs.readdir("/proc")) {
    const stat = await fs.readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    if (parent === pid) children.push(Number(name));
  }
  return children;
}

interface Omoi {
  process: ChildProcess;
  /** "ready" or the message of the error. */
  outcome: Promise<string>;
}

/** A second Node process that starts the database and runs until it is killed. */
function spawnOmoi(dataDir: string, account: { uid?: number; gid?: number } = {}): Omoi {
  const script = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(MODULE)});
    const options = ${JSON.stringify({ dataDir, uid, settings })};
    await startEmbeddedPostgres(options).then(
      () => console.log("ready"),
      (error) => console.log(error.message),
    );
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
    ...account,
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout });
  const outcome = once(lines, "line").then(([line]) => String(line));
  return { process: child, outcome };
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, "exit");
  // Kills the whole process group, as a terminal does: the server must survive it.
  process.kill(-(child.pid ?? NaN), "SIGKILL");
  await exit;
}

test("keeps the data across restarts", async () => {
  const dataDir = await newDataDir();
  const first = await start(dataDir);
  await query(first, "create table kept (name text)");
  await query(first, "insert into kept values ('ÄÖ')");
  await first.stop();
  await first.stop();
  expect(await findPostmaster(dataDir)).toBeUndefined();
  await expect(query(first, "select 1")).rejects.toThrow();

  const second = await start(dataDir);
  expect(await query(second, "select lower(name) as name from kept")).toEqual([{ name: "äö" }]);
  await second.stop();
});

test("listens on a private socket only, keeps data durable, and logs to a file", async () => {
  const dataDir = await newDataDir();
  const server = await startEmbeddedPostgres({ dataDir, uid });
  const rows = await query(
    server,
    `select current_setting('listen_addresses') as listen, current_setting('fsync') as fsync,
            current_setting('server_encoding') as encoding`,
  );
  expect(rows).toEqual([{ listen: "", fsync: "on", encoding: "UTF8" }]);
  expect((await fs.stat(dataDir)).mode & 0o777).toBe(0o700);
  await expect(query(server, "select broken")).rejects.toThrow();
  expect(await fs.readFile(join(dataDir, "server.log"), "utf8")).toContain('"broken"');

  await fs.appendFile(join(dataDir, "server.log"), Buffer.alloc(11 * 1024 * 1024, "x"));
  await limitLog(dataDir);
  await expect(query(server, "select afterwards")).rejects.toThrow();
  const log = await fs.readFile(join(dataDir, "server.log"), "utf8");
  expect(log.length).toBeLessThan(10_000);
  expect(log).toContain('"afterwards"');
  await server.stop();
});

test.skipIf(process.platform !== "linux")("uses little memory when idle", async () => {
  const dataDir = await newDataDir();
  const server = await start(dataDir);
  const pid = await findPostmaster(dataDir);
  const pids = [pid, ...(await childrenOf(pid))];
  const files = pids.map((each) => `/proc/${each}/smaps_rollup`);
  // Read as the server's user: root in a container may not.
  const { uid: owner, gid } = await fs.stat(dataDir);
  const options = { encoding: "utf8", ...(IS_ROOT ? { uid: owner, gid } : {}) } as const;
  const memory = spawnSync("cat", files, options).stdout;
  let kilobytes = 0;
  for (const [, pss] of memory.matchAll(/^Pss:\s+(\d+)/gm)) kilobytes += Number(pss);
  expect(kilobytes).toBeGreaterThan(1_000);
  expect(kilobytes).toBeLessThan(100_000);
  await server.stop();
});

test("adopts the server of a killed process, and stops it", async () => {
  const dataDir = await newDataDir();
  const killed = spawnOmoi(dataDir);
  expect(await killed.outcome).toBe("ready");
  const pid = await findPostmaster(dataDir);
  expect(pid).toBeDefined();
  await kill(killed.process);

  const progress: string[] = [];
  const server = await startEmbeddedPostgres({
    dataDir,
    uid,
    settings,
    onProgress: (line) => progress.push(line),
  });
  expect(await findPostmaster(dataDir)).toBe(pid);
  expect(progress.join()).toContain(`(pid ${pid})`);
  await query(server, "select 1");
  await server.stop();
  expect(await findPostmaster(dataDir)).toBeUndefined();
});

test("recovers after the server was killed", async () => {
  const dataDir = await newDataDir();
  const first = await start(dataDir);
  await query(first, "create table kept as select 1 as one");
  process.kill((await findPostmaster(dataDir)) ?? NaN, "SIGKILL");
  const second = await start(dataDir);
  expect(await query(second, "select one from kept")).toEqual([{ one: 1 }]);
  await first.stop();
  await query(second, "select 1");
  await second.stop();
});

test.skipIf(process.platform !== "linux")(
  "waits for the remains of a killed server to exit",
  async () => {
    const dataDir = await newDataDir();
    const first = await start(dataDir);
    const pid = await findPostmaster(dataDir);
    const [part] = await childrenOf(pid);
    process.kill(part ?? NaN, "SIGSTOP");
    process.kill(pid ?? NaN, "SIGKILL");
    const starting = start(dataDir);
    await expect
      .poll(() => fs.readFile(join(dataDir, "server.log"), "utf8"))
      .toContain("is still in use");
    process.kill(part ?? NaN, "SIGCONT");
    const second = await starting;
    await query(second, "select 1");
    await first.stop();
    await second.stop();
  },
);

test("waits for a stopping server", async () => {
  const dataDir = await newDataDir();
  const first = await start(dataDir);
  const [, second] = await Promise.all([first.stop(), sleep(1).then(() => start(dataDir))]);
  await query(second, "select 1");
  await second.stop();
});

test("rejects a second process and leaves the first one's server alone", async () => {
  const dataDir = await newDataDir();
  const first = spawnOmoi(dataDir);
  expect(await first.outcome).toBe("ready");
  const pid = await findPostmaster(dataDir);
  const message = await refusal(dataDir);
  expect(message).toContain(`${dataDir} is already in use by another Omoi process`);
  expect(message).toContain(`(pid ${first.process.pid})`);
  expect(message).toContain("OMOI_DATA_DIR");
  expect(await findPostmaster(dataDir)).toBe(pid);
});

test.for(["new", "stopped", "orphaned"])(
  "lets one of several processes win a concurrent start on a %s cluster",
  async (state) => {
    const dataDir = await newDataDir();
    if (state === "stopped") await (await start(dataDir)).stop();
    if (state === "orphaned") {
      const killed = spawnOmoi(dataDir);
      expect(await killed.outcome).toBe("ready");
      await kill(killed.process);
    }
    const racers = [spawnOmoi(dataDir), spawnOmoi(dataDir), spawnOmoi(dataDir)];
    const outcomes = await Promise.all(racers.map(({ outcome }) => outcome));
    const winner = racers[outcomes.indexOf("ready")];
    expect(outcomes.filter((outcome) => outcome === "ready")).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome !== "ready") expect(outcome).toContain(`(pid ${winner?.process.pid})`);
    }
    expect(await fs.readdir(dirname(dataDir))).toEqual(["postgres"]);
  },
);

test.for(["new", "stopped", "crashed"])(
  "lets one of several simultaneous starts win on a %s cluster",
  async (state) => {
    const dataDir = await newDataDir();
    if (state !== "new") {
      const server = await start(dataDir);
      // Recovery takes long enough for the losers to notice before the server is ready.
      await query(server, "create table filler as select generate_series(1, 300000) as number");
      if (state === "crashed") process.kill((await findPostmaster(dataDir)) ?? NaN, "SIGKILL");
      await server.stop();
    }
    const starts = await Promise.allSettled([1, 2, 3, 4].map(() => start(dataDir)));
    const won = starts.filter((result) => result.status === "fulfilled");
    expect(won).toHaveLength(1);
    for (const result of starts) {
      if (result.status === "rejected") expect(String(result.reason)).toContain("already in use");
    }
    for (const { value } of won) {
      await query(value, "select 1");
      await value.stop();
    }
    expect(await findPostmaster(dataDir)).toBeUndefined();
    expect(await fs.readdir(dirname(dataDir))).toEqual(["postgres"]);
  },
);

test.skipIf(process.platform !== "linux")(
  "starts no server while another process does",
  async () => {
    const dataDir = await newDataDir();
    await (await start(dataDir)).stop();
    const endTurn = await acquireStartLock(dataDir);
    expect(await acquireStartLock(dataDir)).toBeUndefined();
    const starting = start(dataDir);
    await sleep(500);
    expect(await findPostmaster(dataDir)).toBeUndefined();
    endTurn?.();
    await (await starting).stop();
  },
);

test("takes the lock again after its session ended", async () => {
  const dataDir = await newDataDir();
  const server = await start(dataDir);
  const holders = () => query(server, "select pid from pg_locks where locktype = 'advisory'");
  const [before] = await holders();
  await query(
    server,
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'omoi-lock%'",
  );
  // Checked by another session: the first one may end some time after it was terminated.
  const others = async () => (await holders()).filter(({ pid }) => pid !== before?.["pid"]);
  await expect.poll(others).toHaveLength(1);
  expect(await refusal(dataDir)).toContain(`(pid ${process.pid})`);
  await server.stop();
});

test("is not blocked by an unrelated process that reuses the recorded pid", async () => {
  const dataDir = await newDataDir();
  const server = await start(dataDir);
  const pidFile = join(dataDir, "postmaster.pid");
  const recorded = await fs.readFile(pidFile, "utf8");
  await server.stop();
  // PostgreSQL is only misled by a process of its own user.
  const { uid, gid } = await fs.stat(dataDir);
  const unrelated = spawn("sleep", ["60"], IS_ROOT ? { uid, gid } : {});
  children.push(unrelated);
  await fs.writeFile(pidFile, recorded.replace(/^\d+/, String(unrelated.pid)));
  await fs.chown(pidFile, uid, gid);
  const again = await start(dataDir);
  await query(again, "select 1");
  await again.stop();
  expect(unrelated.exitCode).toBeNull();
});

test.skipIf(!IS_ROOT)(
  "serves a cluster below a folder only root may enter (needs root)",
  async () => {
    const dataDir = await newDataDir(0o700);
    const server = await start(dataDir);
    expect((await fs.stat(dataDir)).uid).not.toBe(0);
    await query(server, "create table kept as select 1 as one");
    await query(server, "create database another");
    await server.stop();
    const again = await start(dataDir);
    expect(await query(again, "select one from kept")).toEqual([{ one: 1 }]);
    const status = await fs.readFile(`/proc/${await findPostmaster(dataDir)}/status`, "utf8");
    const { uid } = await fs.stat(dataDir);
    expect(status).toMatch(new RegExp(`^Uid:\\t${uid}\\t${uid}\\t${uid}\\t${uid}$`, "m"));
    expect(status).toMatch(/^Groups:\s*$/m);
    await again.stop();
  },
);

test("connects when the folder's path is too long for a socket", async () => {
  const folder = join(await newFolder(), "a".repeat(100), "b".repeat(100));
  const dataDir = join(folder, "postgres");
  dataDirs.push(dataDir);
  const server = await start(dataDir);
  expect(Buffer.byteLength(join(server.host, ".s.PGSQL.5432"))).toBeLessThanOrEqual(100);
  expect((await fs.stat(dirname(server.host))).mode & 0o777).toBe(0o700);
  await query(server, "select 1");
  await server.stop();
  await expect(fs.access(dirname(server.host))).rejects.toThrow("ENOENT");
});

test("starts over after a killed initialization", async () => {
  const dataDir = await newDataDir();
  const killed = spawnOmoi(dataDir);
  const parent = dirname(dataDir);
  // Killed as soon as initdb has begun to write.
  await expect
    .poll(
      async () => {
        const [name] = await fs.readdir(parent);
        return name === undefined ? [] : await fs.readdir(join(parent, name)).catch(() => []);
      },
      { interval: 5 },
    )
    .toContain("PG_VERSION");
  await kill(killed.process);
  expect(await fs.readdir(parent)).toEqual([expect.stringMatching(/^postgres\.initializing-/)]);

  const server = await start(dataDir);
  await query(server, "select 1");
  await server.stop();
  await expect.poll(() => fs.readdir(parent)).toEqual(["postgres"]);
});

test("starts in an existing empty folder of any mode", async () => {
  const dataDir = await newDataDir();
  await fs.mkdir(dataDir, { mode: 0o755 });
  const server = await start(dataDir);
  await server.stop();
  await fs.chmod(dataDir, 0o755);
  await (await start(dataDir)).stop();
  expect((await fs.stat(dataDir)).mode & 0o777).toBe(0o700);
});

test("admits its own user as superuser and roles by password, and no other user", async () => {
  const dataDir = await newDataDir();
  const open = { ...settings, unix_socket_permissions: "0777" };
  const server = await startEmbeddedPostgres({ dataDir, uid, settings: open });
  await query(server, "create role app login password 'of the role'");
  const superuser = { user: "postgres" };
  expect(await connectAs(server, {}, superuser)).toBe("in");
  expect(await connectAs(server, {}, { user: "app", password: "of the role" })).toBe("in");
  expect(await connectAs(server, {}, { user: "app", password: "a guess" })).toMatch(
    /password authentication failed/,
  );
  if (IS_ROOT) {
    expect((await fs.stat(dataDir)).uid).toBe(uid);
    // Even if the folder admitted them.
    expect(await connectAs(server, nobody, superuser)).toMatch(/EACCES/);
    await fs.chmod(dataDir, 0o755);
    for (const account of [nobody, { uid: 60_861, gid: 60_861 }]) {
      const message = await connectAs(server, account, superuser);
      expect(message).toMatch(/peer authentication failed/i);
    }
  }
  await server.stop();
});

test.skipIf(!IS_ROOT)(
  "takes over a cluster served as the user `nobody`, also while it is running (needs root)",
  async () => {
    for (const isRunning of [false, true]) {
      const dataDir = await newDataDir();
      const before = await startEmbeddedPostgres({ dataDir, uid: nobody.uid, settings });
      await query(before, "create table kept as select 1 as one");
      expect((await fs.stat(dataDir)).uid).toBe(nobody.uid);
      await before.stop();
      await fs.writeFile(join(dataDir, "pg_hba.conf"), "local all all trust\n");
      if (isRunning) {
        const script = `exec "$0" -D . -c omoi.data_dir=$1 -c listen_addresses= -c unix_socket_directories=.`;
        const program = join((await findBinaries(undefined)).native, "bin/postgres");
        const left = spawn("sh", ["-c", script, program, dataDir], { ...nobody, cwd: dataDir });
        children.push(left);
        await expect.poll(() => fs.readdir(dataDir)).toContain(".s.PGSQL.5432");
        await expect.poll(() => connectAs(before, {}, { user: "postgres" })).toBe("in");
      }
      const server = await start(dataDir);
      expect(await query(server, "select one from kept")).toEqual([{ one: 1 }]);
      const owners = await Promise.all(
        (await fs.readdir(dataDir, { recursive: true })).map(
          async (name) => (await fs.lstat(join(dataDir, name)).catch(() => undefined))?.uid,
        ),
      );
      expect(new Set(owners.filter((owner) => owner !== undefined))).toEqual(new Set([uid]));
      const status = await fs.readFile(`/proc/${await findPostmaster(dataDir)}/status`, "utf8");
      expect(status).toMatch(new RegExp(`^Uid:\\t${uid}\\t`, "m"));
      expect(await fs.readFile(join(dataDir, "pg_hba.conf"), "utf8")).not.toContain("trust");
      await server.stop();
    }
  },
);

test.skipIf(!IS_ROOT)(
  "serves a cluster that root restored from a backup (needs root)",
  async () => {
    const dataDir = await newDataDir();
    await (await start(dataDir)).stop();
    await fs.chown(dataDir, 0, 0);
    for (const name of await fs.readdir(dataDir, { recursive: true })) {
      await fs.lchown(join(dataDir, name), 0, 0);
    }
    const server = await start(dataDir);
    await query(server, "select 1");
    await server.stop();
  },
);

test("rejects folders with other content or another version, and leaves them unchanged", async () => {
  const dataDir = await newDataDir();
  await fs.mkdir(dataDir);
  await fs.writeFile(join(dataDir, "notes.txt"), "mine");
  expect(await refusal(dataDir)).toContain("is not a PostgreSQL cluster");
  expect(await fs.readdir(dataDir)).toEqual(["notes.txt"]);
  await fs.writeFile(join(dataDir, "PG_VERSION"), "14\n");
  expect(await refusal(dataDir)).toContain("was made by PostgreSQL 14");
  const file = join(dataDir, "notes.txt");
  expect(await refusal(file)).toContain("is not a PostgreSQL cluster");
});

test("names OMOI_DATA_DIR when the folder is not writable", async () => {
  const folder = await newFolder();
  await fs.chmod(folder, 0o555);
  const account = IS_ROOT ? { uid: 65534, gid: 65534 } : {};
  const message = await spawnOmoi(join(folder, "postgres"), account).outcome;
  expect(message).toContain("EACCES");
  expect(message).toContain("OMOI_DATA_DIR");
  await fs.chmod(folder, 0o755);
});

test.skipIf(!IS_ROOT)("explains the cure when the user has no name (needs root)", async () => {
  const folder = await newFolder();
  const account = { uid: 54321, gid: 54321 };
  await fs.chown(folder, account.uid, account.gid);
  const message = await spawnOmoi(join(folder, "postgres"), account).outcome;
  expect(message).toContain("add this user to /etc/passwd");
  expect(await fs.readdir(folder)).toEqual([]);
});

test("reports the last line of the log when the server does not start", async () => {
  const dataDir = await newDataDir();
  const started = startEmbeddedPostgres({ dataDir, uid, settings: { ...settings, no_such: "1" } });
  await expect(started).rejects.toThrow(
    /did not start \(1\): FATAL:.*unrecognized configuration parameter "no_such"; see .*server\.log/,
  );
});

/** A copy of the programs as `npm install --ignore-scripts` leaves them: without links. */
async function installWithoutScripts(folder: string): Promise<string> {
  const { native } = await findBinaries(undefined);
  const copy = join(folder, "native");
  await fs.cp(native, copy, {
    recursive: true,
    filter: async (path) => !path.endsWith(".a") && !(await fs.lstat(path)).isSymbolicLink(),
  });
  return copy;
}

async function runs(
  native: string,
  account: { uid?: number; gid?: number } = {},
): Promise<boolean> {
  const child = spawn(join(native, "bin", "postgres"), ["--version"], { ...account, cwd: "/" });
  return once(child, "close").then(
    ([status]) => status === 0,
    () => false,
  );
}

test("makes missing library links, also twice concurrently", async () => {
  const native = await installWithoutScripts(await newFolder());
  expect(await runs(native)).toBe(false);
  const options = { native, version: "18.0.0", account: undefined };
  const found = await Promise.all([prepareBinaries(options), prepareBinaries(options)]);
  expect(found).toEqual([
    { native, major: 18 },
    { native, major: 18 },
  ]);
  expect(await runs(native)).toBe(true);
  expect(await prepareBinaries(options)).toEqual({ native, major: 18 });
});

test.skipIf(!IS_ROOT)("copies programs that only root can reach (needs root)", async () => {
  const account = { uid: 65534, gid: 65534 };
  const native = await installWithoutScripts(await newFolder(0o700));
  const cacheRoot = join(await newFolder(), "cache");
  const options = { native, version: "18.0.0", account, cacheRoot };
  expect(await runs(native, account)).toBe(false);
  const [found] = await Promise.all([prepareBinaries(options), prepareBinaries(options)]);
  expect(found.native).toBe(join(cacheRoot, "postgresql-18.0.0"));
  expect(await runs(found.native, account)).toBe(true);
  expect(await fs.readdir(cacheRoot)).toEqual(["postgresql-18.0.0"]);

  await fs.chmod(join(found.native, "bin"), 0o777);
  await expect(prepareBinaries(options)).rejects.toThrow("writable by another user");
});
