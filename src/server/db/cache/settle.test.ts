import { randomUUID } from "node:crypto";
import pg from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { queryAsAdmin } from "#test/support/database/queries.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { listenForChanges, type ChangeFeed } from "./changes.js";

let app: TestApp;
let pool: pg.Pool;
const feeds: ChangeFeed[] = [];
const listenAt = async (nodeId: string): Promise<ChangeFeed> => {
  const feed = await listenForChanges(app.owner, pool, pino({ level: "silent" }));
  feed.joinNode(nodeId);
  feeds.push(feed);
  await feed.syncLocal();
  return feed;
};
beforeAll(async () => {
  app = await startTestApp();
  pool = new pg.Pool(app.owner);
});
afterAll(async () => {
  for (const feed of feeds) await feed.close();
  await pool.end();
  await app.close();
});

test("the end of work is awaited from all processes of a node, and not from those of others", async () => {
  const own = randomUUID();
  const [first, second, other] = [
    await listenAt(own),
    await listenAt(own),
    await listenAt(randomUUID()),
  ];
  const asked: string[] = [];
  first.answerSettle(async (subject) => void asked.push(`first ${subject}`));
  let end = (): void => {};
  second.answerSettle((subject) => {
    asked.push(`second ${subject}`);
    return new Promise((resolve) => {
      end = resolve;
    });
  });
  other.answerSettle(() => new Promise(() => {}));

  let isSettled = false;
  const settled = first.settleAll("one", 20_000).then((answer) => {
    isSettled = true;
    return answer;
  });
  await expect.poll(() => asked.toSorted()).toEqual(["first one", "second one"]);
  expect(isSettled).toBe(false);
  end();
  expect(await settled).toBe(true);
  // One that does not answer in time.
  expect(await first.settleAll("two", 200)).toBe(false);
  // A process that reconnects is still one of the node.
  second.answerSettle(async (subject) => void asked.push(`again ${subject}`));
  await queryAsAdmin(
    app,
    `select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'omoi changes' and datname = current_database()`,
  );
  const isAsked = async (): Promise<boolean> =>
    (await first.settleAll("three", 5000)) && asked.includes("again three");
  await expect.poll(isAsked, { timeout: 30_000 }).toBe(true);
});
