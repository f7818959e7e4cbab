/** Incremental and encrypted backups by `omoi admin`, in a folder and in a bucket. */
import { randomBytes } from "node:crypto";
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { RestartableServer } from "../support/crash/restartable-server.js";
import { commitFiles, folderOf, writeFiles } from "../support/fixtures/factories.js";
import { startS3Server, type S3Server } from "../support/object-storage/s3-server.js";
import { omoi } from "../support/server/cli.js";
import { removeDataFolder } from "../support/server/data-folder.js";

vi.setConfig({ testTimeout: 600_000, hookTimeout: 300_000 });

interface Made {
  name: string;
  created_at: string;
  bytes: number;
  new_bytes: number;
  deleted: string[];
}

let s3: S3Server;
let root: string;
let server: RestartableServer;
let workspace: Workspace;
const key = "a key for these tests, long enough";
const made: Made[] = [];
const repository = (): Record<string, string> => ({
  OMOI_BACKUP_REPOSITORY: join(root, "repository"),
  OMOI_BACKUP_KEY: key,
  OMOI_BACKUP_KEEP: "last=2",
});
const bucket = (): Record<string, string> => ({
  ...repository(),
  OMOI_S3_ENDPOINT: s3.env["OMOI_S3_ENDPOINT"] ?? "",
  OMOI_S3_ACCESS_KEY_ID: s3.env["OMOI_S3_ACCESS_KEY_ID"] ?? "",
  OMOI_S3_SECRET_ACCESS_KEY: s3.env["OMOI_S3_SECRET_ACCESS_KEY"] ?? "",
  OMOI_BACKUP_REPOSITORY: `s3://${s3.bucket}/omoi`,
});

const admin = (dataDir: string, env: Record<string, string>, ...args: string[]) =>
  omoi({ OMOI_DATA_DIR: dataDir, OMOI_SANDBOX: "off", ...env }, "admin", ...args);

async function backUp(env = repository()): Promise<Made> {
  const { code, out, err } = await admin(server.dataDir, env, "backup", "--json");
  expect([code, err]).toEqual([0, ""]);
  return JSON.parse(out) as Made;
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "omoi-backup-repository-"));
  s3 = await startS3Server();
  server = new RestartableServer({ OMOI_SANDBOX: "off" });
  await server.open();
  await server.createProject();
  workspace = await server.createWorkspace();
  const large = randomBytes(6_000_000).toString("base64");
  await commitFiles(server, workspace, { "large.txt": large });
  await writeFiles(workspace, { "unsaved.txt": "1\n" });
});
afterAll(async () => {
  await server.close();
  await s3.close();
  await removeDataFolder(root);
});

/** Restores a backup, and returns the workspace's unsaved file. */
async function restore(name: string, env: Record<string, string>): Promise<string> {
  const target = join(root, "restored");
  const restored = await admin(target, env, "restore", name);
  expect([restored.code, restored.err]).toEqual([0, ""]);
  expect((await admin(target, env, "verify")).out).toMatch(/^Intact: /);
  const unsaved = (await readdir(target, { recursive: true })).filter((path) =>
    path.endsWith("/unsaved.txt"),
  );
  expect(unsaved).toHaveLength(1);
  const text = await readFile(join(target, String(unsaved[0])), "utf8");
  await removeDataFolder(target);
  return text;
}

test("a second backup costs what has changed, and both are restored as they were", async () => {
  made.push(await backUp());
  await writeFiles(workspace, { "unsaved.txt": "2\n" });
  await commitFiles(server, workspace, { "small.txt": "small\n" });
  await writeFiles(workspace, { "unsaved.txt": "3\n" });
  made.push(await backUp());
  const [first, second] = made as [Made, Made];
  expect(first.new_bytes).toBeGreaterThan(6_000_000);
  expect(second.bytes).toBeGreaterThan(first.bytes);
  expect(second.new_bytes).toBeLessThan(first.new_bytes / 5);

  const listed = await admin(join(root, "none"), repository(), "backups");
  expect(listed.out.split("\n").map((line) => line.split("  ")[0])).toEqual([
    "BACKUP",
    first.name,
    second.name,
    "",
  ]);
  expect(await restore("latest", repository())).toBe("3\n");
  expect(await restore(first.created_at, repository())).toBe("1\n");
  const early = await admin(join(root, "early"), repository(), "restore", "2026-01-01T00:00Z");
  expect(early).toMatchObject({ code: 1, err: expect.stringContaining("There is no backup") });
});

test("a verification reads everything, and its time is listed", async () => {
  const verify = (env: Record<string, string>, ...args: string[]) =>
    admin(join(root, "none"), env, "backups", ...args);
  const [first, second] = made as [Made, Made];
  expect((await verify(repository(), "latest", "--verify")).out).toBe(`Intact: ${second.name}.\n`);
  const { out } = await verify(repository(), "--json");
  const rows = JSON.parse(out) as { name: string; verified_at: string | null }[];
  expect(rows.map(({ name, verified_at }) => [name, verified_at !== null])).toEqual([
    [first.name, false],
    [second.name, true],
  ]);
  const wrong = { ...repository(), OMOI_BACKUP_KEY: "another key, which is long enough" };
  expect(await verify(wrong, "--verify")).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^omoi: OMOI_BACKUP_KEY is not the key of the backups [^\n]*\n$/),
  });
});

test("retention deletes after a backup, and kept backups stay whole", async () => {
  const third = await backUp();
  expect(third.deleted).toEqual([made[0]?.name]);
  made.push(third);
  const { out } = await admin(root, repository(), "backups", "--verify", "--json");
  expect(JSON.parse(out)).toEqual(
    [made[1], made[2]].map((one) => ({ name: one?.name, fault: null })),
  );
});

test("a damaged backup restores nothing, and the others stay intact", async () => {
  const chunks = join(root, "repository/chunks");
  const before = new Set((await readdir(chunks, { recursive: true })).map(String));
  await writeFile(join(folderOf(workspace), "unsaved.txt"), randomBytes(50_000).toString("hex"));
  const fourth = await backUp();
  const added = (await readdir(chunks, { recursive: true }))
    .map(String)
    .filter((name) => name.length > 60 && !before.has(name));
  for (const name of added) await appendFile(join(chunks, name), "x");
  const target = join(root, "damaged");
  const refused = await admin(target, repository(), "restore", fourth.name);
  expect(refused.code).toBe(1);
  expect(refused.err).toMatch(
    /^omoi: [^\n]*\/chunks\/[^\n]* is missing or damaged; use another [^\n]*\n$/,
  );
  expect(await readdir(target).catch(() => [])).toEqual([]);
  const verified = await admin(root, repository(), "backups", "--verify");
  expect(verified.code).toBe(1);
  expect(verified.out).toContain(`Intact: ${made[2]?.name}.`);
  expect(verified.out).toContain(`BROKEN  ${fourth.name}: `);
});

test("a restored installation does not write into the repository of the original", async () => {
  const target = join(root, "copy");
  expect(await admin(target, repository(), "restore", made[2]?.name ?? "")).toMatchObject({
    code: 0,
  });
  const refused = await admin(target, repository(), "backup");
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining("--take-over") });
  expect((await admin(target, repository(), "backup", "--take-over")).code).toBe(0);
  expect((await admin(server.dataDir, repository(), "backup")).err).toContain("--take-over");
  await removeDataFolder(target);
});

test("a repository in a bucket shares and encrypts as one in a folder", async () => {
  const first = await backUp(bucket());
  const second = await backUp(bucket());
  expect(second.new_bytes).toBeLessThan(first.new_bytes / 5);
  expect((await s3.keys("omoi/backups/")).length).toBe(2);
  await restore("latest", bucket());
  const refused = await admin(root, { ...bucket(), OMOI_BACKUP_KEY: "" }, "backups");
  expect(refused.err).toContain("set OMOI_BACKUP_KEY to their key");
  const [chunk = ""] = await s3.keys("omoi/chunks/");
  await s3.storage.delete({ bucket: s3.bucket, key: chunk });
  const verified = await admin(root, bucket(), "backups", "--verify");
  expect([verified.code, verified.out]).toEqual([1, expect.stringContaining("is missing")]);
  await rm(join(root, "restored"), { recursive: true, force: true });
});

test.for([
  [{ OMOI_BACKUP_REPOSITORY: "relative" }, "must be an absolute folder or s3://BUCKET/PREFIX"],
  [{ OMOI_BACKUP_REPOSITORY: "s3://bucket/omoi" }, "OMOI_BACKUP_REPOSITORY needs OMOI_S3_ENDPOINT"],
  [{ OMOI_BACKUP_REPOSITORY: "/b", OMOI_BACKUP_KEY: "short" }, "must be at least 32 characters"],
  [{ OMOI_BACKUP_SCHEDULE: "02:30" }, "OMOI_BACKUP_SCHEDULE needs OMOI_BACKUP_REPOSITORY"],
  [{ OMOI_BACKUP_REPOSITORY: "/b", OMOI_BACKUP_SCHEDULE: "daily" }, "must list times of the day"],
  [{ OMOI_BACKUP_REPOSITORY: "/b", OMOI_BACKUP_KEEP: "7" }, "must list periods"],
] as const)("refuses %o", async ([env, expected]) => {
  const refused = await admin(server.dataDir, env, "backup");
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining(expected)]);
});

test("refuses a repository in the data folder", async () => {
  const env = { OMOI_BACKUP_REPOSITORY: join(server.dataDir, "backups") };
  const refused = await admin(server.dataDir, env, "backup");
  expect(refused.err).toContain("is in the data folder");
});
