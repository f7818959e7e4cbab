import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeLinkedProject, type LinkedProject } from "#test/support/forges/linked-project.js";

let app: TestApp;
let owner: TestPerson;
let world: LinkedProject;
beforeAll(async () => {
  app = await startTestApp(
    {
      OMOI_FORGE_PRIVATE_HOSTS: "true",
      OMOI_SANDBOX: "required",
      OMOI_RUN_STOP_GRACE_SECONDS: "1",
      OMOI_LOG_LEVEL: "error",
    },
    "real",
  );
  owner = await app.person("Ada");
});
afterAll(() => app.close());
afterEach(async () => {
  expect(world.double.violations).toEqual([]);
  await world.double.close();
});

const ISSUES = 60;

describe.each(["github", "gitlab", "gitea"] as const)("a burst of events of %s", (kind) => {
  test("is decided once for each issue, also where events are repeated and reordered", async () => {
    world = await makeLinkedProject(owner, kind, "webhook");
    const { shop, double, project } = world;
    await owner.api.automations.create({
      params: { project_id: project.id },
      body: {
        name: "Start",
        triggers: [{ type: "forge", events: ["issue.labeled"] }],
        limits: { per_day: 5000, at_once: 1000 },
        action: {
          type: "create_task",
          title: "{{event.issue.title}}",
          body: "Wait.",
          preset: "custom",
          command: ["/bin/cat"],
        },
      },
    });
    const titles = Array.from({ length: ISSUES }, (_, at) => `Issue ${at + 1}`);
    for (const title of titles) {
      // Tasks from texts of strangers are held, so that no program starts.
      const issue = shop.openIssue(title, "", "stranger");
      shop.changeIssue(issue, { label: "omoi" });
      shop.changeIssue(issue, { body: "More." });
    }
    await double.outbox.idle();
    for (const delivery of double.outbox.deliveries.toReversed()) {
      expect(await double.outbox.redeliver(delivery)).toBe(200);
    }
    const tasks = async () =>
      (
        await owner.api.tasks.list({ params: { project_id: project.id }, query: { limit: 200 } })
      ).data.map(({ title }) => title);
    await expect.poll(async () => (await tasks()).length, { timeout: 240_000 }).toBe(ISSUES);
    await expect
      .poll(async () => (await world.deliveries()).filter(({ status }) => status === "pending"), {
        timeout: 120_000,
      })
      .toEqual([]);
    expect((await tasks()).toSorted()).toEqual(titles.toSorted());
  }, 400_000);
});
