import { existsSync } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Verification } from "#server/admin/verify.js";
import { git } from "#git/process/run.js";
import { storageIn } from "#server/data-folder/storage.js";
import { startTestApp, type TestApp } from "../support/server/app.js";
import { omoi } from "../support/server/cli.js";
import { queryAsOwner, databaseUrlOf } from "../support/database/queries.js";
import { commitFiles, makeWorkspace } from "../support/fixtures/factories.js";
import { shell, waitForRunEnd } from "../support/fixtures/runs.js";
import {
  makeFullOrganization,
  type FullOrganization,
} from "../support/fixtures/full-organization.js";

let app: TestApp;
let full: FullOrganization;
let repoPath: string;
let ref: string;
beforeAll(async () => {
  app = await startTestApp({}, "real");
  full = await makeFullOrganization(await app.person("owner"));
  const { owner, project } = full;
  const { workspace } = await makeWorkspace(owner, project.id);
  await commitFiles(owner, workspace, { "a.txt": "a" });
  ref = `refs/heads/${workspace.branch_name}`;
  const { agent } = await makeWorkspace(owner, project.id);
  await owner.api.workspaces.archive({ params: { agent_id: agent.id } });
  repoPath = storageIn(app.dataDir).repository(full.id, project.id);
});
afterAll(() => app.close());

const env = (): Record<string, string> => ({
  OMOI_DATABASE_URL: databaseUrlOf(app),
  OMOI_DATA_DIR: app.dataDir,
  OMOI_SECRET: app.config.secret,
});

/** The problems reported by `omoi admin verify`, with its exit code checked. */
async function faults(): Promise<string[]> {
  const { code, out, err } = await omoi(env(), "admin", "verify", "--json");
  expect(err).toBe("");
  const report = JSON.parse(out) as Verification;
  expect(code).toBe(report.clean ? 0 : 1);
  return [
    ...report.repositories.flatMap((of) => of.faults.map(({ reason }) => reason)),
    ...report.logs.flatMap((of) => of.faults.map(({ reason }) => reason)),
    ...report.merges.flatMap((of) => of.faults.map(({ reason }) => reason)),
    ...report.audit.flatMap((of) => of.faults.map(({ reason }) => reason)),
    ...report.installation_log.faults.map(({ reason }) => reason),
    ...(report.encrypted.unreadable === 0 ? [] : ["unreadable"]),
  ];
}

const gitInRepository = async (...args: string[]): Promise<string> =>
  (await git(args, { gitDir: repoPath })).stdout.toString().trim();

test("omoi admin verify finds no problem in an untouched installation", async () => {
  expect(await faults()).toEqual([]);
});

test("omoi admin verify reports a branch that does not match the database", async () => {
  const tip = await gitInRepository("rev-parse", ref);
  await gitInRepository("update-ref", ref, `${tip}^`);
  const before = await gitInRepository("rev-parse", ref);
  expect(await faults()).toEqual([`${ref} is at ${before}, and the database says ${tip}`]);
  await gitInRepository("update-ref", "-d", ref);
  expect(await faults()).toEqual([`${ref} is at nothing, and the database says ${tip}`]);
  await gitInRepository("update-ref", ref, tip);
});

test("omoi admin verify reports workspaces without their folder", async () => {
  const { owner, project } = full;
  const { agent, workspace } = await makeWorkspace(owner, project.id);
  const storage = storageIn(app.dataDir);
  const layers = storage.overlay(full.id, agent.id);
  const path = existsSync(layers) ? layers : storage.workspace(full.id, agent.name);
  await rename(path, `${path}.away`);
  expect(await faults()).toEqual([
    `the folder of ${workspace.branch_name} is missing; its commits are in the branch, unsaved files only in a backup`,
  ]);
  await rename(`${path}.away`, path);
  expect(await faults()).toEqual([]);
});

test("omoi admin verify reports missing and truncated logs", async () => {
  const { agent } = await makeWorkspace(full.owner, full.project.id);
  const command = shell("echo first; echo second");
  const { data: run } = await full.owner.api.runs.create({
    params: { agent_id: agent.id },
    body: { command },
  });
  await waitForRunEnd(full.owner, run.id);
  const path = storageIn(app.dataDir).runLog(full.id, full.project.id, run.id);
  const log = await readFile(path, "utf8");
  await writeFile(path, "");
  expect(await faults()).toEqual(["its log has 0 bytes of the output, which had 13"]);
  await writeFile(path, log.slice(0, -20));
  expect(await faults()).toEqual([
    expect.stringMatching(/^its log has an entry that cannot be read/),
  ]);
  const entry = { stream: "stdout", at: run.created_at, raw: "first\nsecond\n", text: "short" };
  await writeFile(path, `${JSON.stringify(entry)}\n`);
  expect(await faults()).toEqual([]);
  await rename(path, `${path}.away`);
  expect(await faults()).toEqual(["its log is missing"]);
  await writeFile(path, log);
  expect(await faults()).toEqual([]);
});

test("omoi admin verify shows what it checks", async () => {
  const { out, err } = await omoi(env(), "admin", "verify");
  expect(err.split("\n").filter((line) => line.startsWith("Checking "))).toHaveLength(5);
  expect(out).toMatch(/^Intact: .* repositories with their workspaces, .* 1 logs of runs, /);
});

test("omoi admin verify reports missing, re-encrypted and edited data", async () => {
  const tip = await gitInRepository("rev-parse", ref);
  const object = `${repoPath}/objects/${tip.slice(0, 2)}/${tip.slice(2)}`;
  await rename(object, `${object}.away`);
  const missing = await faults();
  expect(missing.some((reason) => reason.startsWith("git fsck fails: "))).toBe(true);
  expect(missing.some((reason) => reason.startsWith(`commit ${tip} of the database`))).toBe(true);
  await rename(`${object}.away`, object);

  await queryAsOwner(app, "insert into totp_secrets (user_id, sealed_secret) values ($1, 'x')", [
    full.owner.id,
  ]);
  await queryAsOwner(app, "alter table audit_events disable trigger user");
  await queryAsOwner(app, "update audit_events set ip = '8.8.8.8' where sequence = 2");
  expect(await faults()).toEqual(["its content does not match its hash", "unreadable"]);
  await queryAsOwner(app, "delete from totp_secrets");

  await rename(repoPath, `${repoPath}.away`);
  expect(await faults()).toContain("the repository is missing; restore it from a backup");
  await rename(`${repoPath}.away`, repoPath);
});
