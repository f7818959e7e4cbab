import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { queryAsOwner } from "#test/support/database/queries.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { clusterEnv } from "#test/support/server/cluster-env.js";
import { removeDataFolder } from "#test/support/server/data-folder.js";
import { folderPlace } from "./backup-place.js";
import { textStream } from "./format.js";
import { pruneBackups } from "./repository/create-backup.js";
import { lockRepository } from "./repository/repository-lock.js";
import { openRepository } from "./repository/repository.js";
import { runDueBackup } from "./scheduled-backups.js";

let folder: string;
let one: TestApp;
let two: TestApp;
let pool: pg.Pool;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "omoi-due-backups-"));
  const settings = {
    OMOI_BACKUP_REPOSITORY: join(folder, "repository"),
    OMOI_BACKUP_SCHEDULE: "00:00",
    OMOI_BACKUP_KEEP: "last=1",
  };
  one = await startTestApp({ ...(await clusterEnv("one")), ...settings });
  two = await one.sibling({ ...(await clusterEnv("two")), OMOI_DATA_DIR: join(folder, "two") });
  pool = new pg.Pool({ ...one.owner, options: "-c app.system=on -c timezone=UTC" });
});
afterAll(async () => {
  await pool.end();
  await two.close();
  await one.close();
  await removeDataFolder(folder);
});

function settingsOf({ config: { backups } }: TestApp) {
  if (backups?.schedule == null) throw new Error("no schedule");
  return { ...backups, schedule: backups.schedule };
}

const runDue = (app: TestApp): Promise<Date> =>
  runDueBackup(
    app.config,
    settingsOf(app),
    one.owner,
    pino({ level: "silent" }),
    new AbortController().signal,
  );
const place = () => folderPlace(join(folder, "repository"));
const nodesOf = async (): Promise<string[]> =>
  (await (await openRepository(place(), null)).list()).map(({ node }) => node).toSorted();
const countEvents = async (): Promise<number> =>
  (await queryAsOwner(one, "select from installation_events where action = 'backup.created'"))
    .length;

test("each server makes one backup for a due time, with several processes of it", async () => {
  await Promise.all([one, two, one, two, one].map(runDue));
  const expected = [one, two].map(({ db }) => db.node.id.slice(0, 8)).toSorted();
  expect(await nodesOf()).toEqual(expected);
  for (const app of [one, two, one]) await runDue(app);
  expect(await nodesOf()).toEqual(expected);
  const events = await queryAsOwner<{ id: string }>(
    one,
    `select target ->> 'id' as id from installation_events where action = 'backup.created'`,
  );
  expect(events.map(({ id }) => id).toSorted()).toEqual(
    [one, two].map(({ db }) => db.node.id).toSorted(),
  );
});

test("a backup that a killed server did not record is recorded, and not made again", async () => {
  const table = "installation_events";
  await queryAsOwner(
    one,
    `alter table ${table} disable trigger user;
     delete from ${table} where sequence = (select max(sequence) from ${table});
     alter table ${table} enable trigger user`,
  );
  expect(await countEvents()).toBe(1);
  for (const app of [one, two]) await runDue(app);
  expect(await countEvents()).toBe(2);
  expect((await nodesOf()).length).toBe(2);
});

test("nothing is deleted while a backup is being made", async () => {
  const installation = { config: one.config, pool, db: {}, origin: {} } as Parameters<
    typeof pruneBackups
  >[0]["installation"];
  const work = { installation, place: place(), settings: settingsOf(one) };
  await place().write("chunks/00/of-a-backup-that-is-being-made", textStream("1"));
  const writing = await lockRepository(pool, "write");
  const beside = await lockRepository(pool, "write");
  expect(await pruneBackups(work)).toEqual([]);
  expect(await place().list("chunks/00")).toHaveLength(1);
  await writing?.release();
  await pruneBackups(work);
  expect(await place().list("chunks/00")).toHaveLength(1);
  await beside?.release();
  await pruneBackups(work);
  expect(await place().list("chunks/00")).toEqual([]);
  const pruning = await lockRepository(pool, "prune");
  expect(await lockRepository(pool, "prune")).toBeNull();
  await pruning?.release();
});
