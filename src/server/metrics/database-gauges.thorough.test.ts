// Thorough: each of its readings starts another process.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { queryAsOwner } from "#test/support/database/queries.js";
import { recordBackup } from "#test/support/database/record-backup.js";
import { samplesOf, scrapeAnew } from "#test/support/http/scrape.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";

const DAY = 86_400;

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

test("the age of the last backup is that of the server without a newer one", async () => {
  const age = async (change?: () => Promise<unknown>): Promise<number> =>
    samplesOf(await scrapeAnew(app, change), "omoi_backup_age_seconds").get("") ?? -1;
  await queryAsOwner(app, "update nodes set created_at = now() - interval '30 days'");
  expect(await age()).toBeGreaterThanOrEqual(30 * DAY);
  const [own] = await queryAsOwner<{ id: string }>(app, "select id from nodes");
  await recordBackup(app, randomUUID());
  expect(await age()).toBeGreaterThanOrEqual(30 * DAY);
  await recordBackup(app, own?.id ?? "");
  expect(await age()).toBeLessThan(DAY);
  const insertSecond = () =>
    queryAsOwner(
      app,
      `insert into nodes (id, name, created_at)
       values (gen_random_uuid(), 'second', now() - interval '2 days')`,
    );
  expect(await age(insertSecond)).toBeGreaterThanOrEqual(2 * DAY);
  await queryAsOwner(app, "delete from nodes where name = 'second'");
  // Backups of earlier versions name no server.
  const insertAndBackUp = async (): Promise<void> => {
    await insertSecond();
    await recordBackup(app, null);
  };
  expect(await age(insertAndBackUp)).toBeLessThan(DAY);
});
