import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AdminUser, AdminUserDetail, PasswordLink } from "#shared/api/operation/admin.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "../support/server/app.js";
import { omoi, type CliResult } from "../support/server/cli.js";
import { removeDataFolder } from "../support/server/data-folder.js";
import { makeOrganization } from "../support/fixtures/factories.js";
import { databaseUrlOf } from "../support/database/queries.js";
import { clientOf, startServer } from "../support/server/server-process.js";

describe("omoi admin, beside a running server", () => {
  let app: TestApp;
  let root: TestPerson;
  let run: (...args: string[]) => Promise<CliResult>;
  beforeAll(async () => {
    app = await startTestApp();
    root = await app.person("root");
    const env = {
      OMOI_DATABASE_URL: databaseUrlOf(app),
      OMOI_DATA_DIR: app.dataDir,
      OMOI_SECRET: app.config.secret,
      OMOI_PUBLIC_URL: app.url,
    };
    run = (...args) => omoi(env, "admin", ...args);
  });
  afterAll(() => app.close());

  test("disables a user immediately and records it in the audit log", async () => {
    const ann = await app.person("ann");
    const { data: key } = await ann.api.apiKeys.create({ body: { name: "mine" } });
    await ann.api.auth.me();
    await app.client(key.key as string).auth.me();
    const disabled = await run("user", "disable", ann.email);
    expect([disabled.code, disabled.err]).toEqual([0, ""]);
    expect(disabled.out).toContain(`${ann.email} is disabled`);
    await expectProblem(ann.api.auth.me(), 401, "invalid_token");
    await expectProblem(app.client(key.key as string).auth.me(), 401, "invalid_token");
    const again = await run("user", "enable", ann.email.toUpperCase(), "--json");
    expect((JSON.parse(again.out) as AdminUserDetail).is_active).toBe(true);
    const { data } = await root.api.admin.auditEvents();
    expect(data.map(({ action, actor }) => [action, actor.type])).toEqual([
      ["user.enabled", "operator"],
      ["user.disabled", "operator"],
    ]);
  });

  test("helps a user who is locked out", async () => {
    const ann = await app.person("ann");
    const made = await run("user", "reset-password", ann.email, "--json");
    const link = JSON.parse(made.out) as PasswordLink;
    expect(link.reset_url.startsWith(`${app.url}/reset-password?token=`)).toBe(true);
    const token = new URL(link.reset_url).searchParams.get("token") ?? "";
    const body = { token, new_password: "another staple horse" };
    await app.client().auth.resetPassword({ body });
    await app.client().auth.login({ body: { email: ann.email, password: body.new_password } });
    expect((await run("user", "sign-out", ann.email)).out).toMatch(/Sessions +0/);
    expect((await run("user", "remove-second-factor", ann.email)).code).toBe(0);
    expect((await run("user", "promote", ann.email)).out).toMatch(/State +active, super admin/);
    const admins = await run("users", "--super-admins", "--json");
    expect((JSON.parse(admins.out) as AdminUser[]).map(({ email }) => email)).toEqual([
      ann.email,
      root.email,
    ]);
    expect((await run("user", "demote", ann.email)).code).toBe(0);
    expect((await run("users", "ann")).out).toContain(ann.email);
  });

  test("explains errors, and sets the exit code", async () => {
    const ann = await app.person("ann");
    await makeOrganization(ann);
    const owner = await run("user", "delete", ann.email, "--anonymize");
    expect([owner.code, owner.err]).toEqual([5, expect.stringContaining("(last_owner)")]);
    const last = await run("user", "demote", root.email);
    expect([last.code, last.err]).toEqual([5, expect.stringContaining("(last_super_admin)")]);
    const nobody = await run("user", "show", "nobody@example.com");
    expect([nobody.code, nobody.err]).toEqual([4, expect.stringContaining("(not_found)")]);
    for (const args of [[], ["user"], ["user", "show"], ["user", "delete", ann.email], ["no"]]) {
      expect((await run(...args)).code, args.join(" ")).toBe(2);
    }
    const elsewhere = await omoi({ OMOI_DATA_DIR: "/nowhere" }, "admin", "users");
    expect([elsewhere.code, elsewhere.out]).toEqual([1, ""]);
    expect(elsewhere.err).toBe(
      "omoi: The data folder /nowhere does not exist; set OMOI_DATA_DIR to it\n",
    );
    const help = await omoi({}, "admin", "user", "--help");
    expect([help.code, help.err]).toEqual([0, ""]);
    expect(help.out).toContain("omoi admin user reset-password ann@example.com");
  });

  test("exports and deletes a user", async () => {
    const ann = await app.person("ann");
    const exported = await run("user", "export", ann.email);
    expect((JSON.parse(exported.out) as { user: { email: string } }).user.email).toBe(ann.email);
    expect((await run("user", "delete", ann.email, "--anonymize")).code).toBe(0);
    expect((await run("user", "show", ann.email)).code).toBe(4);
  });
});

test("omoi admin starts the database of a stopped installation, and stops it again", async () => {
  const folder = await mkdtemp(join(tmpdir(), "omoi-stopped-"));
  const env = { OMOI_DATA_DIR: join(folder, "data dir") };
  try {
    const server = startServer(env);
    const api = clientOf(await server.ready);
    const body = { email: "root@example.com", password: "correct staple horse" };
    await api.auth.register({ body });
    server.process.kill("SIGTERM");
    await server.ended;
    const { code, out, err } = await omoi(env, "admin", "users");
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(/root@example\.com +active, super admin/);
    const next = startServer(env);
    await clientOf(await next.ready).auth.login({ body });
    next.process.kill("SIGTERM");
    await next.ended;
  } finally {
    await removeDataFolder(folder);
  }
});
