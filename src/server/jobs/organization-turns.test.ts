import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { queryAsOwner } from "#test/support/database/queries.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { openNodeQueues } from "../db/queue-schema.js";
import { newId } from "../db/tables/columns.js";
import { startJobs, type Jobs } from "./queue.js";

let app: TestApp;
let jobs: Jobs;
beforeAll(async () => {
  app = await startTestApp();
  const id = newId();
  await app.db.withSystemTx("add a node", async (tx) => {
    await queryAsOwner(app, "insert into nodes (id, name) values ($1, $2)", [id, id]);
    await openNodeQueues(tx, id);
  });
  jobs = await startJobs(app.db.jobPool, pino({ level: "silent" }), {
    id,
    homeOf: async () => id,
    isPaused: async () => false,
    lease: { untilHeld: async () => {}, onLapse: () => () => {} },
    work: { begin: () => () => {} },
  });
});
afterAll(async () => {
  await jobs.stop(5000);
  await app.close();
});

test("organizations take turns at the workers of a queue, and none has all of them", async () => {
  const names = new Map<string, string>();
  const organization = (name: string): string => {
    const id = newId();
    names.set(id, name);
    return id;
  };
  const [attacker, one, other] = [
    organization("attacker"),
    organization("one"),
    organization("other"),
  ];
  const send = (org_id: string): Promise<void> =>
    jobs.send("scan-project", { org_id, project_id: newId() });
  for (let count = 0; count < 5; count += 1) await send(attacker);
  await send(one);
  await send(other);
  await send(one);

  const begun: string[] = [];
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  await jobs.work(
    "scan-project",
    async ({ org_id }) => {
      begun.push(names.get(org_id) as string);
      if (org_id === attacker) await opened;
    },
    2,
  );
  const poll = { timeout: 60_000 };
  await expect.poll(() => begun, poll).toHaveLength(4);
  expect(begun.toSorted()).toEqual(["attacker", "one", "one", "other"]);
  expect(begun.filter((name) => name !== "attacker")).toEqual(["one", "other", "one"]);
  open();
  await expect.poll(() => begun.filter((name) => name === "attacker"), poll).toHaveLength(5);
});
