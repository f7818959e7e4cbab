import { afterAll, beforeAll, expect, test } from "vitest";
import { jobNames } from "#server/db/queue-schema.js";
import { insertWebhook } from "#test/support/database/insert-webhook.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { recordBackup } from "#test/support/database/record-backup.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { samplesOf, scrapeAnew } from "#test/support/http/scrape.js";
import { insertCluster, insertRunner, seeRunner } from "#test/support/runners/runners.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";

const DAY = 86_400;

let app: TestApp;
let owner: TestPerson;
let orgId: string;
beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("owner");
  orgId = (await makeOrganization(owner)).id;
});
afterAll(() => app.close());

const read = async (
  metric: string,
  change?: () => Promise<unknown>,
): Promise<Record<string, number>> =>
  Object.fromEntries(samplesOf(await scrapeAnew(app, change), metric));

test("jobs have a series for each queue and state, also without a job", async () => {
  const jobs = await read("omoi_jobs");
  for (const name of jobNames) {
    for (const state of ["created", "retry", "active", "failed"]) {
      expect(jobs).toHaveProperty([`{queue="${name}",state="${state}"}`]);
    }
  }
  expect(
    Object.keys(jobs).every((labels) => /^\{queue="[a-z-]+",state="\w+"\}$/.test(labels)),
  ).toBe(true);
});

test("runners are counted by status", async () => {
  expect(await read("omoi_runners")).toEqual({
    '{status="online"}': 0,
    '{status="paused"}': 0,
    '{status="offline"}': 0,
  });
  const [online, paused] = [await insertRunner(app, orgId), await insertRunner(app, orgId)];
  await insertRunner(app, orgId);
  await insertCluster(app, 61);
  await seeRunner(app, online, 0);
  await seeRunner(app, paused, 0);
  await queryAsOwner(app, "update runners set paused = true where id = $1", [paused]);
  expect(await read("omoi_runners")).toEqual({
    '{status="online"}': 1,
    '{status="paused"}': 1,
    '{status="offline"}': 2,
  });
});

test("servers are counted by status", async () => {
  const insert = (name: string, until: string, draining = false) =>
    queryAsOwner(
      app,
      `insert into nodes (id, name, url, folder, lease_until, draining)
       values (gen_random_uuid(), $1, 'http://127.0.0.1:1', '0:0', now() + $2::interval, $3)`,
      [name, until, draining],
    );
  const insertAll = async (): Promise<void> => {
    await insert("gone", "-1 s");
    await insert("gone while draining", "-1 s", true);
    await insert("draining", "1 hour", true);
  };
  expect(await read("omoi_nodes", insertAll)).toEqual({
    '{status="active"}': 1,
    '{status="draining"}': 1,
    '{status="unavailable"}': 2,
  });
  await queryAsOwner(app, "delete from nodes where url is not null");
});

test("webhooks are counted by state", async () => {
  for (let count = 0; count < 4; count += 1) await insertWebhook(app, orgId, owner.id);
  await queryAsOwner(
    app,
    "update webhooks set failing_since = now() where id in (select id from webhooks limit 2)",
  );
  await queryAsOwner(
    app,
    `update webhooks set enabled = false, disabled_reason = 'failing', disabled_at = now()
     where id in (select id from webhooks where failing_since is not null limit 1)`,
  );
  expect(await read("omoi_webhooks")).toEqual({
    '{state="working"}': 2,
    '{state="failing"}': 1,
    '{state="disabled"}': 1,
  });
});

test("an email fails from its first failed attempt until an hour after the last one", async () => {
  expect(await read("omoi_failing_emails")).toEqual({ "": 0 });
  const insert = (state: string, retries: number) =>
    queryAsOwner(
      app,
      `insert into pgboss.job (name, state, retry_count, start_after)
       values ('send-mail', $1, $2, now() + interval '1 hour')`,
      [state, retries],
    );
  await insert("created", 0);
  await insert("retry", 1);
  await insert("active", 2);
  await insert("failed", 8);
  expect(await read("omoi_failing_emails")).toEqual({ "": 3 });
});

test("a backup of the server resets the age of the last backup", async () => {
  await queryAsOwner(app, "update nodes set created_at = now() - interval '30 days'");
  const [own] = await queryAsOwner<{ id: string }>(app, "select id from nodes");
  const ages = await read("omoi_backup_age_seconds", () => recordBackup(app, own?.id ?? ""));
  expect(ages[""]).toBeLessThan(DAY);
});
