import type pg from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { jobsNodeOf } from "#test/support/server/jobs-node.js";
import { newId } from "../db/tables/columns.js";
import { startJobs } from "./queue.js";

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

test("a database that is lost while a job ends does not end the process", async () => {
  /** A stand-in for a lost database, since the moment of the loss has to be exact. */
  let isLost = false;
  const query = (text: string, values: unknown[]): Promise<unknown> =>
    isLost ? Promise.reject(new Error("the database is gone")) : app.db.jobPool.query(text, values);
  const jobs = await startJobs(
    { query } as unknown as pg.Pool,
    pino({ level: "silent" }),
    jobsNodeOf(app),
  );
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  const taken: string[] = [];
  try {
    await jobs.work("scan-project", async ({ project_id }) => {
      taken.push(project_id);
      if (taken.length > 1) return;
      isLost = true;
      throw new Error("the scan fails, too");
    });
    // The app works on the same queue, so that not every job is taken here.
    const sendUntil = (count: number): Promise<void> =>
      expect
        .poll(async () => {
          const project_id = newId();
          if (!isLost) await jobs.send("scan-project", { org_id: newId(), project_id });
          return taken.length;
        })
        .toBeGreaterThanOrEqual(count);
    await sendUntil(1);
    await expect.poll(() => isLost).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(unhandled).toEqual([]);
    isLost = false;
    await sendUntil(2);
  } finally {
    process.off("unhandledRejection", note);
    await jobs.stop(5000);
  }
});
