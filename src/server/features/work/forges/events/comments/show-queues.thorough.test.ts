import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { shell } from "#test/support/fixtures/runs.js";
import { makeLinkedProject, type LinkedProject } from "#test/support/forges/linked-project.js";
import { openRequest } from "#test/support/forges/open-request.js";

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

const slowly = { timeout: 60_000 };

describe.each(["github", "gitlab", "gitea"] as const)("the merge queue on %s", (kind) => {
  test("is a status of the newest commit: pending, and why nothing was merged", async () => {
    world = await makeLinkedProject(owner, kind, "webhook");
    const { shop, project } = world;
    const params = { project_id: project.id };
    const setCheck = (script: string) =>
      owner.api.mergeQueue.setCheck({
        params: { ...params, name: "test" },
        body: { command: shell(script) },
      });
    const { taskId, request } = await openRequest(owner, world, "write total.ts one two");
    const sha = request.head_sha ?? "";
    const states = () => (shop.statuses.get(sha) ?? []).map(({ state }) => state);
    await setCheck("while [ ! -e go ]; do sleep 0.1; done");
    await owner.api.projects.update({
      params,
      body: { protected_branches: [{ pattern: "main", checks: ["test"] }] },
    });
    await owner.api.tasks.merge({ params: { task_id: taskId } });
    await expect.poll(states, slowly).toEqual(["pending"]);
    const [shown] = shop.statuses.get(sha) ?? [];
    expect(shown).toMatchObject({ name: "omoi/merge-queue" });
    expect(shown?.url).toContain(`/tasks/${taskId}`);

    const { data: open } = await owner.api.mergeQueue.list({ params });
    await owner.api.mergeQueue.cancel({ params: { merge_request_id: open[0]?.id ?? "" } });
    await expect.poll(states, slowly).toEqual(["failure"]);
    await setCheck("echo 'one is wrong'; exit 1");
    await owner.api.tasks.merge({ params: { task_id: taskId } });
    await expect
      .poll(() => (shop.statuses.get(sha) ?? []).map(({ description }) => description), slowly)
      .toEqual([expect.stringContaining("test")]);
    expect(states()).toEqual(["failure"]);
    await setCheck("true");
    await owner.api.tasks.merge({ params: { task_id: taskId } });
    await expect.poll(states, slowly).toEqual(["success"]);
  });
});
