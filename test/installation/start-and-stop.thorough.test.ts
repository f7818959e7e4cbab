import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeAgent, makeOrganization, makeProject } from "../support/fixtures/factories.js";
import {
  clientOf,
  isAlive,
  postgresPid,
  startServer,
  type ServerProcess,
} from "../support/server/server-process.js";

const oidc = {
  OMOI_OIDC_ISSUER: "https://id.example.com",
  OMOI_OIDC_CLIENT_ID: "omoi",
  OMOI_OIDC_CLIENT_SECRET: "secret",
};

describe("the server as a process", () => {
  let folder: string;
  const started: ServerProcess[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "omoi-start-"));
  });
  afterEach(async () => {
    for (const { process } of started) process.kill("SIGTERM");
    await Promise.all(started.splice(0).map(({ ended }) => ended));
    await rm(folder, { recursive: true, force: true });
  });
  const start = (env: Record<string, string> = {}): ServerProcess => {
    const server = startServer({ OMOI_DATA_DIR: folder, ...env });
    started.push(server);
    return server;
  };

  /** A start that must fail: exit code 1, empty stdout, one line with the fix. */
  const refusal = async (env: Record<string, string>): Promise<string> => {
    const { code, stdout, stderr } = await start(env).ended;
    expect([code, stdout]).toEqual([1, ""]);
    const said = stderr.split("\n").filter((line) => line.startsWith("omoi: "));
    expect(said).toHaveLength(1);
    expect(stderr).not.toContain("    at ");
    return said[0] as string;
  };

  test.each([
    [{ OMOI_PORT: "eighty" }, "OMOI_PORT"],
    [{ OMOI_PORT: "65536" }, "OMOI_PORT"],
    [{ OMOI_PORT: "-1" }, "OMOI_PORT"],
    [{ OMOI_HOST: "no host" }, "OMOI_HOST"],
    [{ OMOI_PUBLIC_URL: "omoi.example.com" }, "OMOI_PUBLIC_URL"],
    [{ OMOI_PUBLIC_URL: "https://example.com/omoi" }, "OMOI_PUBLIC_URL"],
    [{ OMOI_SECRET: "short" }, "OMOI_SECRET"],
    [{ OMOI_AGENT_UID: "60859" }, "OMOI_AGENT_UID"],
    [{ OMOI_REGISTRATION: "ajar" }, "OMOI_REGISTRATION"],
    [{ OMOI_INVITATION_DAYS: "0" }, "OMOI_INVITATION_DAYS"],
    [{ OMOI_INVITATION_DAYS: "91" }, "OMOI_INVITATION_DAYS"],
    [{ OMOI_INVITATION_DAYS: "7 days" }, "OMOI_INVITATION_DAYS"],
    [{ OMOI_OIDC_ISSUER: "id.example.com" }, "OMOI_OIDC_ISSUER"],
    [{ OMOI_OIDC_ISSUER: "http://id.example.com" }, "OMOI_OIDC_ISSUER"],
    [{ OMOI_OIDC_ISSUER: "https://id.example.com" }, "OMOI_OIDC_CLIENT_ID"],
    [
      { OMOI_OIDC_ISSUER: "https://id.example.com", OMOI_OIDC_CLIENT_ID: "omoi" },
      "OMOI_OIDC_CLIENT_SECRET",
    ],
    [{ OMOI_OIDC_CLIENT_SECRET: "secret" }, "OMOI_OIDC_CLIENT_SECRET"],
    [
      { ...oidc, OMOI_OIDC_NAME: "a name that is far too long for the button of a page" },
      "OMOI_OIDC_NAME",
    ],
    [{ OMOI_IMPORT_ROOTS: "relative/folder" }, "OMOI_IMPORT_ROOTS"],
    [{ OMOI_IMPORT_PRIVATE_HOSTS: "yes" }, "OMOI_IMPORT_PRIVATE_HOSTS"],
    [{ OMOI_KEY_PREFIX: "Key-" }, "OMOI_KEY_PREFIX"],
    [{ OMOI_MAX_CONCURRENT_AGENTS: "0" }, "OMOI_MAX_CONCURRENT_AGENTS"],
    [{ OMOI_SMTP_URL: "mail.example.com:587" }, "OMOI_SMTP_URL"],
    [{ OMOI_MAIL_FROM: "Omoi" }, "OMOI_MAIL_FROM"],
    [{ OMOI_LOG_LEVEL: "loud" }, "OMOI_LOG_LEVEL"],
    [{ OMOI_PROT: "8080" }, "OMOI_PROT"],
    [{ OMOI_DATABASE_URL: "mysql://localhost/omoi" }, "OMOI_DATABASE_URL"],
    [{ OMOI_DATABASE_URL: "postgres://omoi@127.0.0.1:1/omoi" }, "OMOI_DATABASE_URL"],
    [{ OMOI_DATABASE_APP_URL: "postgres://omoi@127.0.0.1:1/omoi" }, "OMOI_DATABASE_URL"],
  ])("%j is rejected in one line that names %s", async (env, variable) => {
    expect(await refusal(env)).toContain(variable);
    expect((await readdir(folder)).filter((name) => name === "postgres")).toEqual([]);
  });

  test("names the variable of a data folder that is not writable", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    expect(await refusal({ OMOI_DATA_DIR: join(file, "data") })).toContain("OMOI_DATA_DIR");
    await mkdir(join(folder, "damaged"));
    await writeFile(join(folder, "damaged/secret"), "short");
    expect(await refusal({ OMOI_DATA_DIR: join(folder, "damaged") })).toContain("OMOI_SECRET");
  });

  test("names the variable of a busy port, and leaves no PostgreSQL behind", async () => {
    const busy = createServer();
    await new Promise<void>((resolve) => busy.listen(0, "127.0.0.1", resolve));
    const address = busy.address() as { port: number };
    const said = await refusal({ OMOI_PORT: String(address.port) });
    expect(said).toContain("OMOI_PORT");
    expect(said).toContain(String(address.port));
    expect(await postgresPid(folder)).toBeNull();
    await new Promise((resolve) => busy.close(resolve));
  });

  test("serves, rejects a second process on its folder, and stops on SIGTERM with its PostgreSQL", async () => {
    const server = start();
    const url = await server.ready;
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const postgres = (await postgresPid(folder)) as number;
    expect(isAlive(postgres)).toBe(true);
    expect((await stat(join(folder, "secret"))).mode & 0o777).toBe(0o600);

    const said = await refusal({});
    expect(said).toContain("OMOI_DATA_DIR");
    expect(said).toContain(String(server.process.pid));
    // The first one is unaffected.
    const person = { email: "ann@example.com", password: "correct staple horse" };
    expect((await clientOf(url).auth.register({ body: person })).status).toBe(201);

    // An idle connection, as browsers open them, does not delay the stop.
    const unused = connect(Number(new URL(url).port), "127.0.0.1").on("error", () => {});
    await once(unused, "connect");
    server.process.kill("SIGTERM");
    const { code, signal, stderr } = await server.ended;
    expect([code, signal]).toEqual([0, null]);
    expect(stderr).not.toContain('"level":50');
    expect(isAlive(postgres)).toBe(false);
    expect(await postgresPid(folder)).toBeNull();

    const again = start();
    const { data } = await clientOf(await again.ready).auth.login({ body: person });
    expect(data.token_type).toBe("bearer");
    again.process.kill("SIGINT");
    expect((await again.ended).code).toBe(0);
  });

  test("finishes requests in progress before it stops", async () => {
    const server = start();
    const url = await server.ready;
    const body = { email: "ann@example.com", password: "correct staple horse" };
    // Hashing a password takes long enough to be in progress when the signal arrives.
    const answers = Array.from({ length: 4 }, (_, number) =>
      clientOf(url).auth.register({ body: { ...body, email: `p${number}@example.com` } }),
    );
    await answers[0];
    server.process.kill("SIGTERM");
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    const { code, stderr } = await server.ended;
    expect(code, stderr).toBe(0);
  });

  test("finishes requests of disconnected clients, and leaves nothing mounted", async () => {
    const server = start();
    const url = await server.ready;
    const account = { email: "ann@example.com", password: "correct staple horse" };
    await clientOf(url).auth.register({ body: account });
    const { data: session } = await clientOf(url).auth.login({ body: account });
    const api = clientOf(url, session.access_token);
    const project = await makeProject({ api }, (await makeOrganization({ api })).id);
    const agents = await Promise.all(
      Array.from({ length: 8 }, () => makeAgent({ api }, project.id)),
    );
    const gone = new AbortController();
    const asked = agents.map(({ id }) =>
      fetch(`${url}/api/v1/agents/${id}/workspace`, {
        method: "POST",
        headers: { authorization: `Bearer ${session.access_token}` },
        signal: gone.signal,
      }).catch(() => null),
    );
    await asked[0];
    gone.abort();
    server.process.kill("SIGTERM");
    await Promise.all(asked);
    const { code, stderr } = await server.ended;
    expect(code, stderr).toBe(0);
    expect(stderr).not.toContain('"level":50');
    expect(await readFile("/proc/self/mounts", "utf8")).not.toContain(folder);
  });
});
