import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { RestartableServer } from "../support/crash/restartable-server.js";
import { shell, waitForRunEnd } from "../support/fixtures/runs.js";
import { omoi } from "../support/server/cli.js";
import { removeDataFolder } from "../support/server/data-folder.js";
import { startS3Server, type S3Server } from "../support/object-storage/s3-server.js";

/** Backups of an installation whose logs are in the object storage, to the same server. */
vi.setConfig({ testTimeout: 180_000 });

let s3: S3Server;
let server: RestartableServer;
let root: string;
let runId: string;
const place = (name: string): string => `s3://${s3.bucket}/backups/${name}`;
const logKeys = async (): Promise<string[]> =>
  (await s3.keys()).filter((key) => key.startsWith("logs/"));

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "omoi-backup-"));
  s3 = await startS3Server();
  server = new RestartableServer({ ...s3.env, OMOI_SANDBOX: "off" });
  await server.open();
  await server.createProject();
  const { agent_id } = await server.createWorkspace();
  const command = shell("echo kept");
  const { data: run } = await server.api.runs.create({ params: { agent_id }, body: { command } });
  runId = run.id;
  await waitForRunEnd(server, runId);
  const stored = "select run_id from log_objects where state = 'stored'";
  await vi.waitFor(async () => expect(await server.query(stored)).toHaveLength(1), {
    timeout: 120_000,
    interval: 200,
  });
});
afterAll(async () => {
  await server.close();
  await s3.close();
  await rm(root, { recursive: true });
});

const admin = (dataDir: string, ...args: string[]) =>
  omoi({ ...s3.env, OMOI_DATA_DIR: dataDir, OMOI_SANDBOX: "off" }, "admin", ...args);

test("an interrupted backup cannot be restored, and can be replaced", async () => {
  s3.fault = ({ method, url }) =>
    method === "PUT" && url.includes("database/") && url.includes("runs") ? "status 403" : null;
  const failed = await admin(server.dataDir, "backup", place("one"));
  s3.fault = () => null;
  expect(failed.code).toBe(1);
  expect(failed.err).toMatch(/^omoi: http.* rejects the access to the bucket [^\n]*\n$/);
  const target = join(root, "none");
  const refused = await admin(target, "restore", place("one"));
  expect(refused.code).toBe(1);
  expect(refused.err).toContain("is not a complete backup (SHA256SUMS is missing)");
  const occupied = await admin(server.dataDir, "backup", place("one"));
  expect(occupied.err).toContain("is not empty; use a new prefix for each backup");
  const replaced = await admin(server.dataDir, "backup", place("one"), "--replace-incomplete");
  expect(replaced).toMatchObject({ code: 0 });
  const again = await admin(server.dataDir, "backup", place("one"), "--replace-incomplete");
  expect(again.err).toContain("is a complete backup");
});

test("a restored installation is whole, has its logs, and leaves those of the original alone", async () => {
  const made = await admin(server.dataDir, "backup", place("two"), "--json");
  expect(made).toMatchObject({ code: 0 });
  expect(JSON.parse(made.out)).toMatchObject({ folder: place("two"), logs_missing: [] });
  const target = join(root, "restored");
  await mkdir(target);
  const restored = await admin(target, "restore", place("two"), "--json");
  expect(restored.err).toBe("");
  expect(restored.code).toBe(0);
  const { organization_id: orgId, id: projectId } = server.project;
  expect(await readdir(join(target, "logs", orgId, projectId))).toContain(`${runId}.log`);
  expect((await admin(target, "verify")).out).toMatch(/^Intact: /);
  const full = await admin(target, "restore", place("two"));
  expect(full.err).toContain("is not empty");

  const before = await logKeys();
  const copy = new RestartableServer({ ...s3.env, OMOI_SANDBOX: "off" });
  copy.dataDir = target;
  copy.token = server.token;
  await copy.start();
  // The copy moves the log under keys of its own.
  await expect.poll(logKeys).toHaveLength(2);
  expect(await logKeys()).toEqual(expect.arrayContaining(before));
  const headers = { authorization: `Bearer ${server.token}` };
  for (const url of [copy.url, server.url]) {
    const answer = await fetch(`${url}/api/v1/runs/${runId}/logs`, { headers });
    expect(await answer.text()).toBe("kept\n");
  }
  copy.signal("SIGTERM");
  await copy.ended;
  await removeDataFolder(target);
});

test("a damaged object is found before anything is restored", async () => {
  const key = (await s3.keys()).find((name) => /^backups\/two\/logs\/.*\.stored\.tar$/.test(name));
  const object = { bucket: s3.bucket, key: key ?? "" };
  await s3.storage.upload(object, Readable.from([Buffer.from("damaged")]));
  const target = join(root, "damaged");
  const refused = await admin(target, "restore", place("two"));
  expect(refused.code).toBe(1);
  expect(refused.err).toContain(".stored.tar is missing or damaged; use another copy");
  expect(await readdir(target).catch(() => [])).toEqual([]);
});

test("a log that is missing in the bucket is named, and the others are backed up", async () => {
  for (const key of await logKeys()) await s3.storage.delete({ bucket: s3.bucket, key });
  const made = await admin(server.dataDir, "backup", place("three"), "--json");
  expect(JSON.parse(made.out)).toMatchObject({ logs_missing: [runId] });
});

test.for([
  ["s3://bucket", /must be like s3:\/\/BUCKET\/PREFIX/],
  ["s3://bucket/../x", /must be like s3:\/\/BUCKET\/PREFIX/],
  ["s3://no-such-bucket/x", /The bucket no-such-bucket does not exist/],
] as const)("refuses %s", async ([address, expected]) => {
  const refused = await admin(server.dataDir, "backup", address);
  expect(refused.code).toBe(1);
  expect(refused.err).toMatch(expected);
});
