import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { appendFile, chmod, chown, mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "#server/db/embedded/embedded.js";
import { clientOf, startServer } from "../support/server/server-process.js";

const hasOpenssl = existsSync("/usr/bin/openssl");
/** A loopback address that no other test uses. */
const host = `127.${1 + (process.pid % 250)}.${1 + ((process.pid >> 8) % 250)}.10`;

describe.skipIf(!hasOpenssl)("a database with TLS", () => {
  let folder: string;
  let postgres: EmbeddedPostgres;
  let admin: pg.Client;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "omoi-tls-"));
    await chmod(folder, 0o755);
    for (const name of ["ca", "other-ca"]) {
      openssl(
        `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=${name}`,
        `-keyout ${name}.key -out ${name}.pem`,
      );
    }
    openssl(
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=server",
      `-addext subjectAltName=IP:${host} -addext basicConstraints=critical,CA:FALSE`,
      "-CA ca.pem -CAkey ca.key -keyout server.key -out server.pem",
    );
    const dataDir = join(folder, "postgres");
    // Created first: PostgreSQL reads its certificate from its own folder.
    await (await startEmbeddedPostgres({ dataDir, uid: 60_859 })).stop();
    const { uid, gid } = await stat(dataDir);
    for (const name of ["server.key", "server.pem"]) {
      const path = join(dataDir, name);
      execFileSync("cp", [join(folder, name), path]);
      await chmod(path, 0o600);
      await chown(path, uid, gid);
    }
    postgres = await startEmbeddedPostgres({
      dataDir,
      uid: 60_859,
      settings: {
        fsync: "off",
        listen_addresses: host,
        ssl: "on",
        ssl_cert_file: "server.pem",
        ssl_key_file: "server.key",
        log_connections: "on",
      },
    });
    // Connections without TLS would be accepted, too.
    await appendFile(join(dataDir, "pg_hba.conf"), `host all all ${host}/8 scram-sha-256\n`);
    const { host: socket, port, user, database } = postgres;
    admin = new pg.Client({ host: socket, port, user, database });
    await admin.connect();
    await admin.query("select pg_reload_conf()");
    await admin.query("create role tls_owner login createrole password 'of the owner'");
    await admin.query("create database tls owner tls_owner");
    await mkdir(join(folder, "data"));
  });
  afterAll(async () => {
    await admin?.end();
    await postgres?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  function openssl(...words: string[]): void {
    execFileSync("/usr/bin/openssl", words.join(" ").split(" "), { cwd: folder, stdio: "pipe" });
  }
  const start = (query: string) =>
    startServer({
      OMOI_DATA_DIR: join(folder, "data"),
      OMOI_DATABASE_URL: `postgres://tls_owner:of%20the%20owner@${host}:5432/tls?${query}`,
    });
  const refused = async (query: string): Promise<string> => {
    const server = start(query);
    const { code, stderr } = await server.ended;
    expect([code, stderr.trim().split("\n")]).toEqual([1, [stderr.trim()]]);
    return stderr;
  };

  test.each(["verify-full", "require"])(
    "sslmode=%s encrypts every connection and verifies the certificate",
    async (mode) => {
      const server = start(`sslmode=${mode}&sslrootcert=${join(folder, "ca.pem")}`);
      const api = clientOf(await server.ready);
      const person = { email: `${mode}@example.com`, password: "correct staple horse" };
      const { data: user } = await api.auth.register({ body: person });
      expect(user.email).toBe(person.email);
      const { rows } = await admin.query<{ name: string; ssl: boolean; role: string }>(
        `select application_name as name, ssl, usename as role
         from pg_stat_activity join pg_stat_ssl using (pid) where datname = 'tls'`,
      );
      // Includes the listener for changes, besides the pools.
      expect(rows.map(({ name }) => name)).toContain("omoi changes");
      expect(rows.length).toBeGreaterThanOrEqual(3);
      expect(rows.filter(({ ssl }) => !ssl)).toEqual([]);
      server.process.kill("SIGTERM");
      await server.ended;
      // Includes connections that have ended, such as the owner's.
      const log = await readFile(join(folder, "postgres/server.log"), "utf8");
      const lines = log.split("\n").filter((line) => /authorized: .*database=tls/.test(line));
      expect(lines.some((line) => line.includes("user=tls_owner"))).toBe(true);
      expect(lines.some((line) => line.includes("user=omoi_app"))).toBe(true);
      expect(lines.filter((line) => !line.includes("SSL enabled"))).toEqual([]);
    },
    60_000,
  );

  test("rejects a certificate of another authority at the start, and says what to do", async () => {
    const said = await refused(`sslmode=verify-full&sslrootcert=${join(folder, "other-ca.pem")}`);
    expect(said).toContain("OMOI_DATABASE_URL");
    expect(said).toContain("sslrootcert");
    expect(said).not.toContain("of%20the%20owner");
  });

  test("rejects a missing authority and a missing file", async () => {
    expect(await refused("sslmode=verify-full")).toContain("sslrootcert");
    expect(await refused("sslmode=verify-full&sslrootcert=/no/such.pem")).toMatch(
      /OMOI_DATABASE_URL.*\/no\/such\.pem/,
    );
  });

  test("no-verify encrypts all the same", async () => {
    const server = start("sslmode=no-verify");
    await server.ready;
    const { rows } = await admin.query(
      "select from pg_stat_activity join pg_stat_ssl using (pid) where datname = 'tls' and not ssl",
    );
    expect(rows).toEqual([]);
    server.process.kill("SIGTERM");
    await server.ended;
  });
});
