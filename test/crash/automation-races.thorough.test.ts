import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Firing, NewAutomation } from "#shared/api/work/automations.js";
import { makeOrganization, makeProject } from "../support/fixtures/factories.js";
import { databaseUrlOf, queryAsOwner } from "../support/database/queries.js";
import { startTestApp, type TestApp, type TestPerson } from "../support/server/app.js";
import { startServer, type ServerProcess } from "../support/server/server-process.js";

/** Fewer than the failures that pause an automation: its tasks cannot start without a sandbox. */
const times = 9;
const AT_ONCE = 10;

describe("automations with three processes, one of which is killed now and then", () => {
  let app: TestApp;
  let owner: TestPerson;
  let projectId: string;
  const servers: { process: ServerProcess; url: string }[] = [];

  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("owner");
    projectId = (await makeProject(owner, (await makeOrganization(owner)).id)).id;
    servers.push(...(await Promise.all([1, 2, 3].map(start))));
  });
  afterAll(async () => {
    for (const { process } of servers) process.process.kill("SIGTERM");
    await Promise.all(servers.map(({ process }) => process.ended));
    await app.close();
  });

  async function start(): Promise<{ process: ServerProcess; url: string }> {
    const process = startServer({
      OMOI_DATABASE_URL: databaseUrlOf(app),
      OMOI_SECRET: app.config.secret,
      OMOI_DATA_DIR: app.dataDir,
    });
    return { process, url: await process.ready };
  }

  const action = {
    type: "create_task" as const,
    title: "Once",
    body: "Do it once",
    preset: "custom" as const,
    command: ["/bin/cat"],
  } satisfies NewAutomation["action"];
  const limits = { per_day: 10_000, at_once: 1000 };
  const firingsOf = async (automation_id: string): Promise<Firing[]> =>
    (
      await owner.api.automations.firings({
        params: { project_id: projectId, automation_id },
        query: { limit: 200 },
      })
    ).data;
  const tasksOf = async (automationId: string): Promise<number> => {
    const [row] = await queryAsOwner<{ tasks: number }>(
      app,
      "select count(*)::int as tasks from tasks where source ->> 'id' = $1",
      [automationId],
    );
    return row?.tasks ?? 0;
  };
  /** Waits until `count` firings have each a task of their own. */
  async function expectFired(automationId: string, count: number): Promise<void> {
    const fired = async (): Promise<number> =>
      (await firingsOf(automationId)).filter(({ task }) => task !== null).length;
    // A firing of a killed process is taken over after a minute.
    await expect.poll(fired, { timeout: 100_000, interval: 200 }).toBe(count);
    expect(await firingsOf(automationId)).toHaveLength(count);
    expect(await tasksOf(automationId)).toBe(count);
  }

  test("each time of a schedule fires once", async () => {
    const made = await Promise.all(
      Array.from({ length: AT_ONCE }, async (_none, index) => {
        const { data } = await owner.api.automations.create({
          params: { project_id: projectId },
          body: {
            name: `Yearly ${index}`,
            triggers: [{ type: "schedule", cron: "0 0 1 1 *", timezone: "UTC" }],
            action,
            limits,
          },
        });
        return data.id;
      }),
    );
    for (let round = 1; round <= times; round += 1) {
      await queryAsOwner(
        app,
        `update automations set next_at = date_trunc('hour', now()) - make_interval(mins => $2)
          where id = any($1::uuid[])`,
        [made, round],
      );
      if (round % 3 === 0) await replace(round % servers.length);
      await expect
        .poll(async () => {
          const [row] = await queryAsOwner<{ left: number }>(
            app,
            "select count(*)::int as left from automations where next_at < now() and id = any($1::uuid[])",
            [made],
          );
          return row?.left;
        })
        .toBe(0);
    }
    for (const id of made) await expectFired(id, times);
  });

  test("a message that all of them get with the same key fires once", async () => {
    const { data } = await owner.api.automations.create({
      params: { project_id: projectId },
      body: { name: "Hook", triggers: [{ type: "webhook" }], action, limits },
    });
    const path = new URL(data.webhook?.url as string).pathname;
    for (let round = 1; round <= times; round += 1) {
      const sent = Promise.allSettled(
        servers.map(({ url }) =>
          fetch(`${url}${path}`, { method: "POST", headers: { "idempotency-key": `m-${round}` } }),
        ),
      );
      // The killed one does not answer; its sender repeats the message.
      if (round % 3 === 0) await replace(round % servers.length);
      const answers = await sent;
      expect(answers.some((answer) => answer.status === "fulfilled")).toBe(true);
    }
    await expectFired(data.id, times);
  });

  test("a deletion while it fires ends it", async () => {
    const { data } = await owner.api.automations.create({
      params: { project_id: projectId },
      body: { name: "Gone", triggers: [{ type: "webhook" }], action, limits },
    });
    const url = data.webhook?.url as string;
    const send = (): Promise<Response> => fetch(url, { method: "POST" });
    const sent = Array.from({ length: 20 }, send);
    const params = { project_id: projectId, automation_id: data.id };
    await owner.api.automations.delete({ params });
    const statuses = (await Promise.all(sent)).map(({ status }) => status);
    expect(statuses.every((status) => [202, 404].includes(status))).toBe(true);
    expect((await send()).status).toBe(404);
    const [row] = await queryAsOwner<{ left: number }>(
      app,
      "select count(*)::int as left from automation_firings where automation_id = $1",
      [data.id],
    );
    expect(row?.left).toBe(0);
  });

  /** Kills a process and starts another one. */
  async function replace(index: number): Promise<void> {
    const server = servers[index];
    if (!server) return;
    server.process.process.kill("SIGKILL");
    await server.process.ended;
    servers[index] = await start();
  }
});
