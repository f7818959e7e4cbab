import { copyFile, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import { totpCode } from "../support/auth/totp-code.js";
import { expectProblem, createTestDatabase } from "../support/server/app.js";
import { omoi } from "../support/server/cli.js";
import { removeDataFolder } from "../support/server/data-folder.js";
import { databaseUrlOf } from "../support/database/queries.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";

const body = { email: "root@example.com", password: "correct staple horse" };
const anotherSecret = "another secret for the tests, of no use either";

describe("the secret", () => {
  let folder: string;
  let env: Record<string, string>;
  let server: ServerProcess;
  let url: string;
  let key: string;
  const file = (name: string): string => join(folder, name);
  const secretIn = async (name: string): Promise<string> =>
    (await readFile(file(name), "utf8")).trim();
  const start = async (): Promise<Client> => {
    server = startServer(env);
    url = await server.ready;
    return clientOf(url);
  };
  const stop = async (): Promise<void> => {
    server.process.kill("SIGTERM");
    await server.ended;
  };
  const failure = async (changed: Record<string, string> = {}): Promise<string> => {
    const { code, stderr } = await startServer({ ...env, ...changed }).ended;
    expect(code).toBe(1);
    return stderr;
  };
  /** A key from before the rotations works, and users can sign in with earlier second factors. */
  const works = async (code = recoveryCodes.pop() as string): Promise<void> => {
    await start();
    await clientOf(url, key).auth.me();
    const challenge = await expectProblem(
      clientOf(url).auth.login({ body }),
      401,
      "second_factor_required",
    );
    const { data: tokens } = await clientOf(url).secondFactor.login({
      body: { challenge: challenge["challenge"] as string, code },
    });
    const { data } = await clientOf(url, tokens.access_token).secondFactor.get();
    expect(data.totp).toBe(true);
    await stop();
  };
  let recoveryCodes: string[];
  let totpSecret: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "omoi-secret-"));
    env = { OMOI_DATA_DIR: folder };
    const anybody = await start();
    await anybody.auth.register({ body });
    const { data: tokens } = await anybody.auth.login({ body });
    const root = clientOf(url, tokens.access_token);
    key = (await root.apiKeys.create({ body: { name: "old" } })).data.key as string;
    const { data: org } = await root.organizations.create({ body: { name: "Team" } });
    const { data: project } = await root.projects.create({
      body: { name: "App", organization_id: org.id },
    });
    const secret = { value: "value", kind: "variable" } as const;
    await root.organizationSecrets.set({ params: { org_id: org.id, name: "TOKEN" }, body: secret });
    await root.projectSecrets.set({
      params: { project_id: project.id, name: "TOKEN" },
      body: secret,
    });
    const { data: webhook } = await root.webhooks.create({
      params: { org_id: org.id },
      body: { url: "https://8.8.8.8/hook", events: ["role.created"] },
    });
    const ofWebhook = { org_id: org.id, webhook_id: webhook.id };
    await root.webhooks.rotateSecret({ params: ofWebhook });
    await root.notifications.setWebhook({ body: { url: "https://8.8.8.8/hook" } });
    const { data: totp } = await root.secondFactor.startTotp({});
    totpSecret = totp.secret as string;
    const { data: on } = await root.secondFactor.confirmTotp({
      body: { code: totpCode(totpSecret) },
    });
    recoveryCodes = on.recovery_codes as string[];
  });
  afterAll(async () => {
    await stop().catch(() => {});
    await removeDataFolder(folder);
  });

  test("is not rotated while the server holds it in memory", async () => {
    const { code, err } = await omoi(env, "admin", "secret", "rotate");
    expect([code, err]).toEqual([1, expect.stringContaining("omoi: Omoi is running")]);
    await stop();
  });

  test("a wrong or missing one prevents the start, with a one-sentence reason", async () => {
    const wrong = await failure({ OMOI_SECRET: anotherSecret });
    expect(wrong).toContain("omoi: The database was encrypted with another secret");
    expect(wrong.trim().split("\n").at(-1)).toMatch(/^omoi: /);
    await rename(file("secret"), file("secret.away"));
    expect(await failure()).toContain(`omoi: The secret file ${file("secret")} is missing`);
    await rename(file("secret.away"), file("secret"));
    const admin = await omoi({ ...env, OMOI_SECRET: anotherSecret }, "admin", "secret", "rotate");
    expect(admin.code).toBe(1);
  });

  test("is rotated, and the data encrypted with it re-encrypted", async () => {
    const before = await secretIn("secret");
    const { code, out, err } = await omoi(env, "admin", "secret", "rotate", "--json");
    expect([code, err]).toEqual([0, ""]);
    expect(JSON.parse(out)).toEqual({
      file: file("secret"),
      sets_environment: false,
      encrypted: expect.any(Number),
      unreadable: 0,
      sessions_ended: 1,
    });
    expect(await secretIn("secret")).not.toBe(before);
    await expect(secretIn("secret.next")).rejects.toThrow("ENOENT");
    expect(await failure({ OMOI_SECRET: before })).toContain("encrypted with another secret");
    await works(totpCode(totpSecret, 1));
    const verified = await omoi(env, "admin", "verify", "--json");
    // The verification key, the second factor, two secrets, two of a webhook, and one of a person's.
    expect(JSON.parse(verified.out)).toMatchObject({ encrypted: { values: 7, unreadable: 0 } });
  });

  test("stays the same if interrupted before the database change, and can be rotated again", async () => {
    const before = await secretIn("secret");
    await writeFile(file("secret.next"), `${anotherSecret}\n`);
    await works();
    expect(await secretIn("secret")).toBe(before);
    await expect(secretIn("secret.next")).rejects.toThrow("ENOENT");
    // As in a repeated run.
    await writeFile(file("secret.next"), "half of");
    expect((await omoi(env, "admin", "secret", "rotate")).code).toBe(0);
    await works();
  });

  test.each(["the start", "the next command"])(
    "is settled by %s if interrupted after the database change",
    async (what) => {
      await copyFile(file("secret"), file("secret.before"));
      expect((await omoi(env, "admin", "secret", "rotate")).code).toBe(0);
      const after = await secretIn("secret");
      await rename(file("secret"), file("secret.next"));
      await rename(file("secret.before"), file("secret"));
      if (what === "the next command") {
        expect((await omoi(env, "admin", "users")).code).toBe(0);
        expect(await secretIn("secret")).toBe(after);
      }
      await works();
      expect(await secretIn("secret")).toBe(after);
    },
  );
});

test("a secret from OMOI_SECRET is rotated to that of a file", async () => {
  const { owner, secret } = await createTestDatabase();
  const folder = await mkdtemp(join(tmpdir(), "omoi-secret-"));
  try {
    const env = {
      OMOI_DATA_DIR: folder,
      OMOI_DATABASE_URL: databaseUrlOf({ owner }),
      OMOI_SECRET: secret,
      // All databases of the cluster share the role omoi_app, whose password must not change.
      OMOI_DATABASE_APP_URL: databaseUrlOf({ owner: { ...owner, user: "unused", password: "x" } }),
    };
    const run = (...args: string[]) => omoi(env, "admin", "secret", "rotate", ...args);
    expect((await run()).err).toContain("pass --new-secret-file FILE");
    const next = join(folder, "new-secret");
    expect((await run("--new-secret-file", next)).err).toContain("at least 32 characters");
    await writeFile(next, secret);
    expect((await run("--new-secret-file", next)).err).toContain("contains the current secret");
    await writeFile(next, anotherSecret);
    const { code, out } = await run("--new-secret-file", next);
    expect([code, out]).toEqual([0, expect.stringContaining(`Set OMOI_SECRET to the content`)]);
    expect((await run("--new-secret-file", next)).err).toContain("The secret was already rotated");
    const client = new pg.Client({ ...owner, options: "-c app.system=on" });
    await client.connect();
    const { rows } = await client.query("select action from installation_events");
    await client.end();
    expect(rows).toEqual([{ action: "secret.rotated" }]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
