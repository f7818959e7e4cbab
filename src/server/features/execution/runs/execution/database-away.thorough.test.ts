import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDatabaseProxy, type DatabaseProxy } from "#test/support/database/database-proxy.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { shell, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";

let app: TestApp;
let proxy: DatabaseProxy;
let owner: TestPerson;

beforeAll(async () => {
  app = await startTestApp({}, "real", async (direct) => {
    proxy = await startDatabaseProxy(direct);
    return { owner: proxy.config, app: null };
  });
  owner = await app.person("Ada");
});
afterAll(() => app.close());

test("a run that has begun does its work, although the database is away at any moment of its start", async () => {
  const org = await makeOrganization(owner);
  const project = await makeProject(owner, org.id);
  let ended = 0;
  for (let afterMs = 0; afterMs <= 600; afterMs += 20) {
    const { agent } = await makeWorkspace(owner, project.id);
    const params = { agent_id: agent.id };
    const body = { command: shell("echo done > done.txt"), network: "none" as const };
    const creating = owner.api.runs.create({ params, body }).catch(() => null);
    await pause(afterMs);
    await proxy.cut();
    await pause(300);
    await proxy.restore();
    await creating;
    const { data: runs } = await expectSoon(() => owner.api.runs.list({ params, query: {} }));
    for (const { id } of runs) {
      const run = await waitForRunEnd(owner, id);
      expect([run.detail, run.status]).toEqual(["Its command exited normally.", "succeeded"]);
      expect(run.repository?.error ?? null).toBeNull();
      ended += 1;
    }
  }
  expect(ended).toBeGreaterThan(3);
});

/** Repeats a read until the server has reconnected. */
async function expectSoon<Result>(read: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await read();
    } catch (error) {
      if (attempt === 100) throw error;
      await pause(100);
    }
  }
}
