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
  const feed = await listenForChanges(
    app.owner,
    { requests: pool, proofs: pool },
    pino({ level: "silent" }),
  );
  feed.joinNode(nodeId);
  feeds.push(feed);
  await feed.syncLocal();
  return feed;
};
beforeAll(async () => {
  app = await startTestApp();
  pool = new pg.Pool({ ...app.owner, options: "-c app.system=on" });
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
  first.onDrain(async (subject) => void asked.push(`first ${subject}`));
  let end = (): void => {};
  second.onDrain((subject) => {
    asked.push(`second ${subject}`);
    return new Promise((resolve) => {
      end = resolve;
    });
  });
  other.onDrain(() => new Promise(() => {}));

  let isDrained = false;
  const draining = first.drainAll("one", 20_000).then((answer) => {
    isDrained = true;
    return answer;
  });
  await expect.poll(() => asked.toSorted()).toEqual(["first one", "second one"]);
  expect(isDrained).toBe(false);
  end();
  expect(await draining).toBe(true);
  // One that does not answer in time.
  expect(await first.drainAll("two", 200)).toBe(false);
  // A process that reconnects is still one of the node.
  second.onDrain(async (subject) => void asked.push(`again ${subject}`));
  await queryAsAdmin(
    app,
    `select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'omoi changes' and datname = current_database()`,
  );
  const isAsked = async (): Promise<boolean> =>
    (await first.drainAll("three", 5000)) && asked.includes("again three");
  await expect.poll(isAsked).toBe(true);
});
