import { appendFile, mkdtemp, readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeAdoption, describeSetBack } from "../../cli/admin/describe-adoption.js";
import { bucketPlace, folderPlace, type BackupPlace } from "#server/backup/backup-place.js";
import { takeBackup } from "#server/backup/take-backup.js";
import { systemOrigin } from "#server/db/audit/audit.js";
import type { Queryable } from "#server/db/connection/connect.js";
import { systemChange } from "#server/db/connection/system-change.js";
import { createTryLock } from "#server/db/locks/locks.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import {
  commitFiles,
  folderOf,
  makeOrganization,
  makeWorkspace,
  mergeIntoBase,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { expectProblem, startTestApp, type TestApp } from "#test/support/server/app.js";
import { shell, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { makeProjectAt } from "#test/support/fixtures/project-at.js";
import { startS3Server, type S3Server } from "#test/support/object-storage/s3-server.js";
import { clusterEnv } from "#test/support/server/cluster-env.js";
import { homeOf } from "#test/support/server/cluster.js";
import { omoi } from "#test/support/server/cli.js";
import { removeDataFolder } from "#test/support/server/data-folder.js";
import { adoptBackup } from "./adopt-backup.js";
import { verifyInstallation } from "../admin/verify.js";

let folder: string;
let one: TestApp;
let two: TestApp;
/** Holds the database while the others are stopped. */
let third: TestApp;
let pool: pg.Pool;
let oneEnv: Record<string, string>;
let s3: S3Server;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "omoi-adopted-backup-"));
  s3 = await startS3Server();
  third = await startTestApp(await clusterEnv("third"), "real");
  oneEnv = { OMOI_DATA_DIR: join(folder, "one"), ...(await clusterEnv("one")) };
  one = await third.sibling(oneEnv);
  two = await third.sibling({ OMOI_DATA_DIR: join(folder, "two"), ...(await clusterEnv("two")) });
  pool = new pg.Pool({ ...third.owner, options: "-c app.system=on -c timezone=UTC" });
});
afterAll(async () => {
  await pool.end();
  await one.close();
  await third.close();
  await s3.close();
  await removeDataFolder(folder);
});

function urlOfOwner({ owner }: TestApp): string {
  const { host = "", port, user = "", password, database = "" } = owner;
  return `postgres://${user}:${String(password)}@${encodeURIComponent(host)}:${port}/${database}`;
}

const adopt = (name: string, from: BackupPlace, agree = async (_at: string) => {}) =>
  adoptBackup(
    {
      db: drizzle(pool) as Queryable,
      tryLock: createTryLock(pool),
      context: {
        origin: { actor: { operator: "root" }, ip: null, requestId: null },
        change: <Result>(work: Parameters<typeof systemChange<Result>>[2]) =>
          systemChange(pool, systemOrigin, work),
      },
      dataDir: one.dataDir,
      log: () => {},
    },
    name,
    from,
    agree,
  );
const backUp = async ({ config }: TestApp, place: BackupPlace): Promise<BackupPlace> => {
  await takeBackup(config, pool, place, () => {});
  return place;
};

test("the projects of a server whose disk is lost are set back to its backup", async () => {
  const owner = await one.person("owner");
  const org = await makeOrganization(owner);
  const there = { ...owner, api: two.client(owner.token) };
  const project = await makeProjectAt(third, "two", there, org.id, { "a.txt": "a\n" });
  const { workspace } = await makeWorkspace(there, project.id);
  const kept = await commitFiles(there, workspace, { "b.txt": "b\n" });
  await writeFiles(workspace, { "unsaved.txt": "unsaved\n" });
  const { workspace: quiet } = await makeWorkspace(there, project.id);
  const { workspace: untouched } = await makeWorkspace(there, project.id);
  const { workspace: archived } = await makeWorkspace(there, project.id);
  const inArchive = await commitFiles(there, archived, { "archived.txt": "1\n" });
  const { workspace: restored } = await makeWorkspace(there, project.id);
  await commitFiles(there, restored, { "restored.txt": "1\n" });
  await there.api.workspaces.archive({ params: { agent_id: restored.agent_id } });
  const other = await makeProjectAt(third, "two", there, org.id, { "other.txt": "a\n" });

  const { bucket, env, storage } = s3;
  const backup = await backUp(
    two,
    bucketPlace(storage, env["OMOI_S3_ENDPOINT"] ?? "", { bucket, prefix: "backups/two" }),
  );
  const inFolder = await backUp(two, folderPlace(join(folder, "backup-of-two")));
  const ofOne = await backUp(one, folderPlace(join(folder, "backup-of-one")));
  const damaged = await backUp(two, folderPlace(join(folder, "damaged")));
  await appendFile(join(damaged.name, "refs.tar"), "x");

  // Work that no backup has: commits, merges, a sync, workspaces, an archive, a restored workspace, a project.
  const lost = await commitFiles(there, workspace, { "c.txt": "c\n" });
  const merge_id = String((await mergeIntoBase(there, workspace)).id);
  await there.api.workspaces.revertMerge({
    params: { agent_id: workspace.agent_id, merge_id },
  });
  const lateRun = await there.api.runs.create({
    params: { agent_id: quiet.agent_id },
    body: { command: shell("echo output; echo run > late-run.txt") },
  });
  const { checkpoint } = await waitForRunEnd(there, lateRun.data.id);
  expect(checkpoint?.commit_sha).toBeDefined();
  const { workspace: late } = await makeWorkspace(there, project.id);
  await commitFiles(there, late, { "late.txt": "late\n" });
  await mergeIntoBase(there, late);
  await there.api.workspaces.archive({ params: { agent_id: archived.agent_id } });
  await there.api.workspaces.restore({ params: { agent_id: restored.agent_id } });
  const fresh = await makeProjectAt(third, "two", there, org.id, { "new.txt": "new\n" });
  await expect(adopt("two", backup)).rejects.toThrow("holds its lease");
  await two.close();
  await removeDataFolder(join(folder, "two"));
  // No server advances the queue of the project now.
  const queued = await queryAsOwner<{ id: string }>(
    third,
    `insert into merge_requests (id, org_id, project_id, agent_id, kind, request, source_branch, source_commit,
       target_branch, status, origin)
     values (gen_random_uuid(), $1, $2, $3, 'merge', '{}', $4, $5, 'main', 'queued',
       '{"actor":null,"ip":null,"requestId":null}') returning id`,
    [org.id, project.id, workspace.agent_id, workspace.branch_name, lost.commit_sha],
  );
  await queryAsOwner(third, "update nodes set lease_until = now() where name = 'two'");

  await expect(adopt("two", ofOne)).rejects.toThrow("of another server than two");
  await expect(adopt("two", damaged)).rejects.toThrow("refs.tar is missing or damaged");
  await expect(adopt("two", folderPlace(join(folder, "none")))).rejects.toThrow(
    "not a complete backup",
  );

  const disagree = async (at: string): Promise<void> => {
    const now = new Date(Date.parse(at) + 50 * 3_600_000);
    throw new Error(describeSetBack("two", at, now));
  };
  await expect(adopt("two", backup, disagree)).rejects.toThrow("which is 2 days old");
  // Refusals come before the question.
  await expect(adopt("two", ofOne, disagree)).rejects.toThrow("of another server than two");
  const ofDatabase = { OMOI_SECRET: one.config.secret ?? "", OMOI_DATABASE_URL: urlOfOwner(third) };
  const args = ["admin", "node", "adopt", "two", "--from-backup", inFolder.name];
  const command = await omoi({ ...oneEnv, ...ofDatabase }, ...args);
  expect([command.code, command.err]).toEqual([2, expect.stringContaining("Say --yes")]);
  const adopted = "select adopted_by from nodes where name = 'two'";
  expect(await queryAsOwner(third, adopted)).toEqual([{ adopted_by: null }]);

  // Interrupted when the files are in place: the transaction of the project is undone.
  const interrupt = async (): Promise<void> => {
    await queryAsOwner(
      third,
      `create function interrupt() returns trigger language plpgsql as $$ begin raise exception 'killed'; end $$`,
    );
    await queryAsOwner(
      third,
      `create trigger interrupt before update of home_node on projects for each row
         when (new.id = '${other.id}') execute function interrupt()`,
    );
    const { failed } = await adopt("two", backup);
    expect(failed).toMatchObject([{ id: other.id, reason: expect.stringContaining("killed") }]);
    await queryAsOwner(third, "drop function interrupt() cascade");
  };
  await interrupt();
  expect([await homeOf(third, project), await homeOf(third, other)]).toEqual(["one", "two"]);
  const events = await queryAsOwner<{ action: string; target: { id: string }; changes: unknown }>(
    third,
    "select action, target, changes from audit_events where action like '%.set_back' order by sequence",
  );
  const changesOf = (id: string) => events.find(({ target }) => target.id === id)?.changes;
  expect(changesOf(workspace.agent_id)).toMatchObject({
    head_commit: { to: kept.commit_sha },
    lost_commits: { to: [] },
  });
  expect(changesOf(project.id)).toMatchObject({
    lost_merges: { from: expect.arrayContaining([merge_id]) },
  });
  expect(changesOf(late.agent_id)).toMatchObject({ status: { from: "active", to: "failed" } });
  expect(changesOf(untouched.agent_id)).toBeUndefined();

  const report = await adopt("two", backup);
  expect(report.projects.map(({ id }) => id)).toEqual([other.id]);
  expect(report.missing.map(({ id }) => id)).toEqual([fresh.id]);
  expect(describeAdoption("two", report)).toContain("nothing recorded is lost");
  expect(await readdir(join(one.dataDir, "moving"))).toEqual([]);
  expect((await adopt("two", backup)).projects).toEqual([]);

  await one.close();
  one = await third.sibling(oneEnv);
  const here = { ...owner, api: one.client(owner.token) };
  const stateOf = async (agent_id: string) =>
    (await here.api.workspaces.get({ params: { agent_id } })).data;
  expect(await stateOf(workspace.agent_id)).toMatchObject({
    status: "active",
    head_commit: kept.commit_sha,
  });
  // It mounts the folder.
  await here.api.workspaces.changes({ params: { agent_id: workspace.agent_id } });
  expect(
    await readFile(join(folderOf(await stateOf(workspace.agent_id)), "unsaved.txt"), "utf8"),
  ).toBe("unsaved\n");
  expect(await stateOf(quiet.agent_id)).toMatchObject({ status: "active" });
  expect(await stateOf(archived.agent_id)).toMatchObject({
    status: "active",
    head_commit: inArchive.commit_sha,
  });
  const again = await stateOf(restored.agent_id);
  expect(again).toMatchObject({ status: "active" });
  await here.api.workspaces.changes({ params: { agent_id: restored.agent_id } });
  expect(await readFile(join(folderOf(again), "restored.txt"), "utf8")).toBe("1\n");
  expect(await stateOf(late.agent_id)).toMatchObject({
    status: "failed",
    head_commit: null,
    error: expect.stringContaining("The server two is gone"),
  });
  const verification = await verifyInstallation({
    config: one.config,
    pool,
    db: drizzle(pool) as Queryable,
  });
  expect(verification.repositories.flatMap(({ faults }) => faults)).toEqual([]);
  expect(verification.clean).toBe(true);

  // Lists, details and comparisons have no errors.
  const project_id = project.id;
  for (const { agent_id } of [workspace, quiet, archived, restored, late]) {
    const { data: commits } = await here.api.workspaces.commits({
      params: { agent_id },
      query: {},
    });
    for (const { commit_sha: sha } of commits) {
      await here.api.workspaces.diff({ params: { agent_id, sha } });
    }
    const { data: merges } = await here.api.workspaces.merges({ params: { agent_id }, query: {} });
    expect(merges).toEqual([]);
    if (agent_id !== late.agent_id) await here.api.workspaces.changes({ params: { agent_id } });
  }
  const params = { run_id: lateRun.data.id };
  expect((await here.api.runs.get({ params })).data).toMatchObject({
    status: "succeeded",
    checkpoint: { commit_sha: null, error: "Its commit was lost with a server." },
  });
  await here.api.runs.logs({ params, query: {} });
  const gone = { agent_id: workspace.agent_id, sha: lost.commit_sha };
  await expectProblem(here.api.workspaces.diff({ params: gone }), 404, "not_found");
  const goneMerge = { agent_id: workspace.agent_id, merge_id };
  await expectProblem(here.api.workspaces.merge({ params: goneMerge }), 404, "not_found");
  expect(
    (await here.api.workspaces.mergesOfProject({ params: { project_id }, query: {} })).data,
  ).toHaveLength(1);
  const [request] = queued;
  const rejected = await here.api.mergeQueue.get({
    params: { merge_request_id: request?.id ?? "" },
  });
  expect(rejected.data).toMatchObject({
    status: "rejected",
    reason: expect.stringContaining("lost with the server two"),
  });

  // Work goes on: a commit, a merge, its revert, a workspace that is created again, a run.
  await commitFiles(here, await stateOf(workspace.agent_id), { "d.txt": "d\n" });
  const next = await mergeIntoBase(here, workspace);
  await here.api.workspaces.revertMerge({
    params: { agent_id: workspace.agent_id, merge_id: String(next.id) },
  });
  await here.api.workspaces.create({ params: { agent_id: late.agent_id }, body: {} });
  await commitFiles(here, await stateOf(late.agent_id), { "again.txt": "a\n" });
  await mergeIntoBase(here, late);
  const run = await here.api.runs.create({
    params: { agent_id: workspace.agent_id },
    body: { command: shell("cat b.txt unsaved.txt > run.txt") },
  });
  expect(await waitForRunEnd(here, run.data.id)).toMatchObject({ exit_code: 0 });
});
