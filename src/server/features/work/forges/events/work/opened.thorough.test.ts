import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { makeLinkedProject, type LinkedProject } from "#test/support/forges/linked-project.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";

let app: TestApp;
let owner: TestPerson;
let world: LinkedProject;
beforeAll(async () => {
  app = await startTestApp({ OMOI_FORGE_PRIVATE_HOSTS: "true", OMOI_LOG_LEVEL: "error" });
  owner = await app.person("Ada");
});
afterAll(() => app.close());
afterEach(async () => {
  expect(world.double.violations).toEqual([]);
  await world.double.close();
});

describe.each(["github", "gitlab", "gitea"] as const)("a pull request on %s", (kind) => {
  test("fires once when a linked person opens it, with its changes; an outsider's is ignored", async () => {
    world = await makeLinkedProject(owner, kind, "webhook", { "total.ts": "1\n" });
    await world.automate("pull_request.opened", {
      create:
        "{{event.pull_request.author}} {{event.pull_request.branch}} {{event.pull_request.diff}}",
    });
    const { shop } = world;
    await shop.commit("half", { "total.ts": "1.5\n" });
    const request = { title: "Half", body: "", head: "half", base: "main", draft: false };
    const pull = await shop.open(request);
    await expect.poll(async () => (await world.tasks()).length).toBe(1);
    const [task] = await world.tasks();
    expect(task?.body).toMatch(/^lead half /);
    expect(task?.body).toContain("-1\n+1.5");
    const started = async () =>
      (await world.deliveries()).filter(({ decision }) => decision === "started");
    expect(await started()).toMatchObject([{ number: pull.number, login: "lead" }]);
    // Further commits and comments do not open it again.
    await shop.commit("half", { "total.ts": "1.25\n" });
    shop.permissions.set("reader", "read");
    await shop.commit("theirs", { "total.ts": "2\n" });
    const theirs = await shop.open({ ...request, head: "theirs" }, "reader");
    const ignored = async () =>
      (await world.deliveries()).filter(
        ({ number, decision, login }) =>
          number === theirs.number && decision === "ignored" && login === "reader",
      );
    await expect.poll(async () => (await ignored()).length).toBeGreaterThan(0);
    expect((await ignored())[0]?.reason).toContain("no write access");
    expect(await world.tasks()).toHaveLength(1);
  });
});
