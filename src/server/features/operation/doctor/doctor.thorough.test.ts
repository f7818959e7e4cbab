import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { openSandbox } from "#sandbox/open-sandbox.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import type { DoctorCheck } from "#shared/api/operation/doctor.js";
import { startDatabaseProxy, type DatabaseProxy } from "#test/support/database/database-proxy.js";
import { queryAsAdmin, queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { send } from "#test/support/http/raw-request.js";
import {
  startSmtpServer,
  type ReceivedMail,
  type SmtpServer,
} from "#test/support/mail/smtp-server.js";
import { startS3Server } from "#test/support/object-storage/s3-server.js";
import { makeRunner, reportRunner } from "#test/support/runners/runners.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { removeDataFolder } from "#test/support/server/data-folder.js";
import { startCluster } from "#test/support/server/cluster.js";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const close of closing.splice(0).toReversed()) await close();
});

async function open(
  ...args: Parameters<typeof startTestApp>
): Promise<{ app: TestApp; root: TestPerson }> {
  const app = await startTestApp(...args);
  closing.push(() => app.close());
  return { app, root: await app.person("root") };
}

/** Runs all checks. Returns the one of that name. */
async function find(
  { api }: Pick<TestPerson, "api">,
  name: string,
  body: { mail_to?: string } = {},
): Promise<DoctorCheck> {
  const { data } = await api.doctor.run({ body });
  const found = data.checks.find((check) => check.name === name);
  if (!found) throw new Error(`no check ${name}`);
  return found;
}

/** Emails of the doctor: others may wait from the registration. */
const testsIn = ({ mails }: SmtpServer): ReceivedMail[] =>
  mails.filter(({ raw }) => raw.includes("Subject: Test of omoi doctor"));

test("all checks of a server with all its parts are ok, and leave nothing", async () => {
  const s3 = await startS3Server();
  closing.push(() => s3.close());
  const smtp = await startSmtpServer();
  closing.push(() => smtp.close());
  const { app, root } = await open({ ...s3.env, OMOI_SMTP_URL: smtp.url }, "real");
  await queryAsOwner(
    app,
    `insert into installation_events (id, sequence, at, actor, action, target, changes, previous_hash, hash)
     select gen_random_uuid(), 1000, now(), '{"type":"operator","id":null,"name":"test"}', 'backup.created',
       jsonb_build_object('type', 'node', 'id', id, 'name', name), '{}', '', '' from nodes`,
  );
  const before = readdirSync(app.dataDir);
  const { data } = await root.api.doctor.run();
  const notOk = data.checks.filter(({ status }) => !["ok", "skipped"].includes(status));
  // The data folder of a test may be on any file system.
  expect(notOk.filter(({ name, status }) => name !== "disk" || status === "failed")).toEqual([]);
  expect(data.checks.map(({ name, server }) => [name, server])).toEqual([
    ["database-rights", "default"],
    ["database-notifications", "default"],
    ["clock", "default"],
    ["disk", "default"],
    ["object-storage", "default"],
    ["mail", "default"],
    ["sandbox", "default"],
    ["egress", "default"],
    ["servers", null],
    ["runners", null],
    ["backups", null],
    ["jobs", null],
  ]);
  expect(await s3.keys()).toEqual([]);
  expect(readdirSync(app.dataDir)).toEqual(before);
  expect(testsIn(smtp)).toEqual([]);
});

test("only super admins reach it, and a person's key with scopes is not one", async () => {
  const { app, root } = await open();
  const ann = await app.person("ann");
  for (const call of [() => ann.api.doctor.run(), () => ann.api.doctor.request()]) {
    await expectProblem(call(), 404, "not_found");
  }
  await expectProblem(app.client().doctor.run(), 401, "unauthenticated");
  const { slug } = await makeOrganization(root);
  const { data: key } = await root.api.apiKeys.create({
    body: { name: "narrow", scopes: [`org:${slug}:*`] },
  });
  await expectProblem(app.client(key.key as string).doctor.run(), 404, "not_found");
  const { data: full } = await root.api.apiKeys.create({ body: { name: "full" } });
  expect((await app.client(full.key as string).doctor.request()).data.public_url).toBe(app.url);
  const invalid = root.api.doctor.run({ body: { mail_to: "no address" } });
  await expectProblem(invalid, 422, "validation_failed");
});

test("one call at a time", async () => {
  const { app, root } = await open();
  let release = (): void => {};
  let begun = (): void => {};
  const started = new Promise<void>((resolve) => (begun = resolve));
  const held = app.db.tryLock("doctor", async () => {
    begun();
    await new Promise<void>((resolve) => (release = resolve));
  });
  await started;
  await expectProblem(root.api.doctor.run(), 409, "doctor_running");
  release();
  await held;
  expect((await root.api.doctor.run()).status).toBe(200);
});

test("a request is described as the server sees it", async () => {
  const { app, root } = await open({ OMOI_TRUSTED_PROXIES: "127.0.0.1" });
  expect((await root.api.doctor.request()).data).toEqual({
    public_url: app.url,
    address: "127.0.0.1",
    protocol: "http",
    host: new URL(app.url).host,
    connection_address: "127.0.0.1",
    connection_trusted: true,
    forwarding_headers: [],
  });
  const headers = {
    "x-forwarded-for": "203.0.113.9",
    "x-forwarded-proto": "https",
    authorization: `Bearer ${root.token}`,
  };
  const { text } = await send(app, "GET", "/api/v1/admin/doctor/request", { headers });
  expect(JSON.parse(text)).toMatchObject({
    address: "203.0.113.9",
    protocol: "https",
    connection_address: "127.0.0.1",
    forwarding_headers: ["x-forwarded-for", "x-forwarded-proto"],
  });
});

test("a table without row-level security", async () => {
  const { app, root } = await open();
  await queryAsOwner(app, "alter table runs no force row level security");
  expect(await find(root, "database-rights")).toMatchObject({
    status: "failed",
    seen: "row-level security is not forced for runs",
    cure: "alter table runs enable row level security, force row level security;",
  });
});

test("a serving role that bypasses row-level security", async () => {
  const role = `doctor_${randomBytes(6).toString("hex")}`;
  const { app, root } = await open({}, undefined, async (owner) => {
    await queryAsAdmin({ owner }, `create role ${role} login password 'of the doctor'`);
    return { owner, app: { ...owner, user: role, password: "of the doctor" } };
  });
  closing.unshift(async () => {
    await queryAsAdmin(app, `drop owned by ${role}`);
    await queryAsAdmin(app, `drop role ${role}`);
  });
  expect((await find(root, "database-rights")).status).toBe("ok");
  await queryAsAdmin(app, `alter role ${role} bypassrls`);
  expect(await find(root, "database-rights")).toMatchObject({
    status: "failed",
    seen: `The database role ${role} can bypass row-level security`,
    cure: "Set OMOI_DATABASE_APP_URL to a role without SUPERUSER and BYPASSRLS, and restart Omoi.",
  });
});

test("notifications that do not arrive, and no connection for locks", async () => {
  let proxy: DatabaseProxy | undefined;
  const { root } = await open({}, undefined, async (owner) => {
    proxy = await startDatabaseProxy(owner);
    return { owner: proxy.config, app: null, pooler: owner };
  });
  closing.push(async () => proxy?.restore());
  expect((await find(root, "database-notifications")).status).toBe("ok");
  await proxy?.cut();
  await expect
    .poll(() => find(root, "database-notifications"))
    .toMatchObject({
      status: "failed",
      seen: "the connection that listens for changes is lost",
      cure: expect.stringContaining("OMOI_DATABASE_URL") as string,
    });
});

const folder = mkdtempSync(join(tmpdir(), "omoi-doctor-disk-"));
afterAll(() => rmSync(folder, { recursive: true }));
const isMounted = (() => {
  try {
    const options = ["-t", "tmpfs", "-o", "size=96m,mode=700", "omoi-test", folder];
    execFileSync("mount", options, { stdio: "pipe" });
    return true;
  } catch {
    return false;
  }
})();

test.skipIf(!isMounted)(
  `a disk that is full, or read-only${isMounted ? "" : " (skipped: mounting is not permitted)"}`,
  async () => {
    const app = await startTestApp({ OMOI_DATA_DIR: folder });
    try {
      const root = await app.person("root");
      expect(await find(root, "disk")).toMatchObject({
        status: "failed",
        seen: expect.stringMatching(/^\d\d MiB \(\d+%\) are free$/) as string,
        cure: `Free space on the disk of ${folder}, or enlarge it (docs/how-to/monitor.md).`,
      });
      execFileSync("mount", ["-o", "remount,ro", folder]);
      expect(await find(root, "disk")).toMatchObject({
        status: "failed",
        seen: expect.stringContaining("EROFS") as string,
        cure: expect.stringContaining(`Make ${folder} writable`) as string,
      });
      execFileSync("mount", ["-o", "remount,rw", folder]);
    } finally {
      await app.close();
      await removeDataFolder(folder).catch(() => {});
      execFileSync("umount", [folder]);
    }
  },
);

test("a data folder that others can read", async () => {
  const { app, root } = await open();
  chmodSync(app.dataDir, 0o755);
  expect(await find(root, "disk")).toMatchObject({
    status: "failed",
    seen: "other users of the machine can read the data folder (mode 755)",
    cure: `chmod 711 ${app.dataDir}`,
  });
});

test("a clock that is wrong", async () => {
  const { root } = await open();
  expect((await find(root, "clock")).status).toBe("ok");
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 20_000 });
  expect(await find(root, "clock")).toMatchObject({
    status: "warning",
    seen: expect.stringMatching(/^they differ by \d+\.\d s$/) as string,
    cure: "Set both clocks by NTP: timedatectl set-ntp true",
  });
  vi.setSystemTime(Date.now() + 60_000);
  expect((await find(root, "clock")).status).toBe("failed");
});

test("a mail server that is stopped, and a test email", async () => {
  const smtp = await startSmtpServer();
  const url = smtp.url.replace("://", "://omoi:password@");
  const { root } = await open({ OMOI_SMTP_URL: url, OMOI_MAIL_FROM: "omoi@example.com" });
  expect(await find(root, "mail")).toMatchObject({ status: "ok", cure: null });
  expect(testsIn(smtp)).toEqual([]);
  const sent = await find(root, "mail", { mail_to: "ann@example.com" });
  expect([sent.status, sent.tried]).toEqual(["ok", "Send an email to ann@example.com"]);
  expect(testsIn(smtp)).toMatchObject([{ from: "omoi@example.com", to: ["ann@example.com"] }]);
  expect((await find(root, "mail", { mail_to: "refused@example.com" })).status).toBe("failed");
  await smtp.close();
  expect(await find(root, "mail")).toMatchObject({
    status: "failed",
    seen: expect.stringContaining("ECONNREFUSED") as string,
    cure: "Check OMOI_SMTP_URL: host, port, smtp:// or smtps://, user and password.",
  });
});

test("an object storage that refuses", async () => {
  const s3 = await startS3Server();
  closing.push(() => s3.close());
  const { root } = await open(s3.env);
  expect((await find(root, "object-storage")).status).toBe("ok");
  s3.fault = ({ method }) => (method === "PUT" ? "status 403" : null);
  expect(await find(root, "object-storage")).toMatchObject({
    status: "failed",
    seen: expect.stringContaining("rejects the access to the bucket") as string,
    cure: expect.stringMatching(/^Check OMOI_S3_ACCESS_KEY_ID, /) as string,
  });
  expect(await s3.keys()).toEqual([]);
});

test("an installation without mail, backups, a sandbox and an S3 server", async () => {
  const { root } = await open();
  const { data } = await root.api.doctor.run();
  const statuses = Object.fromEntries(data.checks.map(({ name, status }) => [name, status]));
  expect(statuses).toMatchObject({
    "object-storage": "skipped",
    mail: "warning",
    sandbox: "warning",
    egress: "warning",
    runners: "skipped",
    backups: "warning",
  });
  for (const { status, cure } of data.checks) {
    expect(cure !== null).toBe(status === "warning" || status === "failed");
  }
  expect(await find(root, "backups")).toMatchObject({ seen: "default has none" });
});

test("a sandbox that is off lets escapes succeed", async () => {
  const { root } = await open({ OMOI_SANDBOX: "off" }, "real");
  expect(await find(root, "sandbox")).toMatchObject({
    status: "failed",
    seen: expect.stringContaining(
      "connect to a port of the server's loopback (it connected)",
    ) as string,
    cure: expect.stringMatching(/^Set OMOI_SANDBOX=required/) as string,
  });
  expect((await find(root, "egress")).status).toBe("warning");
});

test("a restricted network that lets a command out, or leads nowhere", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "omoi-doctor-open-"));
  const off = await openSandbox({
    dataDir,
    sandbox: "off",
    agentUid: 60_861,
    networkUid: 60_860,
    sandboxReadOnly: [],
  });
  closing.push(async () => {
    await off.close();
    await removeDataFolder(dataDir);
  });
  // The report is wrong: nothing is restricted.
  const restrictedNetwork = { isolated: true, reason: null, install: null };
  const report = { ...off.report, restrictedNetwork };
  const { root } = await open({}, { ...off, report });
  expect(await find(root, "egress")).toMatchObject({
    status: "failed",
    seen: "the command reached a port beside the proxy",
  });
  const start: Sandbox["start"] = (input) => off.start({ ...input, command: ["true"] });
  const { root: other } = await open({}, { ...off, report, start });
  expect(await find(other, "egress")).toMatchObject({
    status: "failed",
    seen: "the command did not reach the proxy, so that runs reach no allowed host",
  });
});

test("servers and runners of other versions, and those that are away", async () => {
  const { app, root } = await open();
  expect((await find(root, "servers")).status).toBe("ok");
  await queryAsOwner(app, "update nodes set version = '0.1.0'");
  expect(await find(root, "servers")).toMatchObject({
    status: "failed",
    seen: expect.stringMatching(/^default is version 0\.1\.0, this one \d/) as string,
  });
  const runner = await makeRunner(root, "old");
  expect(await find(root, "runners")).toMatchObject({
    status: "warning",
    seen: "old is offline",
    cure: "Start omoi runner on its machine, or remove it: omoi admin runner remove old",
  });
  await reportRunner(app, runner.id, 5);
  expect(await find(root, "runners")).toMatchObject({
    status: "warning",
    seen: expect.stringMatching(/^old is version 0\.1\.0, the server \d/) as string,
  });
});

test("jobs that failed", async () => {
  const { app, root } = await open();
  expect((await find(root, "jobs")).status).toBe("ok");
  await queryAsOwner(
    app,
    "insert into pgboss.job (name, state) values ('send-mail', 'failed'), ('send-mail', 'failed')",
  );
  expect(await find(root, "jobs")).toMatchObject({
    status: "warning",
    seen: "2 failed and 0 wait, of send-mail",
  });
});

test("every server is asked, and one that does not answer is reported", async () => {
  const cluster = await startCluster(["node-1", "node-2"]);
  closing.push(() => cluster.close());
  const [first] = cluster.nodes as [TestApp];
  const root = await first.person("root");
  const { data } = await root.api.doctor.run();
  const asked = data.checks.filter(({ name }) => name === "disk").map(({ server }) => server);
  expect(asked).toEqual(["node-1", "node-2"]);
  expect(data.checks.filter(({ name }) => name === "servers")).toHaveLength(1);
  // Its lease is valid, but nothing listens there.
  await queryAsOwner(first, "update nodes set url = 'http://127.0.0.1:1' where name = 'node-2'");
  await expect
    .poll(() => find(root, "server").catch(() => null), { interval: 1000 })
    .toMatchObject({
      server: "node-2",
      status: "failed",
      seen: "it did not answer",
      cure: "Check that the servers reach each other: curl http://127.0.0.1:1/healthz",
    });
});
