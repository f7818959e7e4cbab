import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Task } from "#shared/api/work/tasks.js";
import { systemRoleIds } from "#server/db/migrate.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeServiceAccount } from "#test/support/fixtures/service-accounts.js";
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
beforeEach(async () => {
  world = await makeLinkedProject(owner, "gitea", "webhook");
});
afterEach(async () => {
  expect(world.double.violations).toEqual([]);
  await world.double.close();
});

const slowly = { timeout: 60_000 };
const at = ({ id }: Pick<Task, "id">) => ({ params: { task_id: id } });
const read = async (task: Pick<Task, "id">) => (await owner.api.tasks.get(at(task))).data;
const titled = async (title: string) => (await world.tasks()).find((one) => one.title === title);

/** Opens an issue and labels it, as a maintainer does. */
async function label(title: string, by: string): Promise<Task> {
  const issue = world.shop.openIssue(title, "Please.", by);
  world.shop.changeIssue(issue, { label: "omoi" });
  await expect.poll(async () => (await titled(title))?.title, slowly).toBe(title);
  return (await titled(title)) as Task;
}

describe("a task from the text of a stranger", () => {
  test("waits until a person releases it, and its runs have no secrets", async () => {
    const { orgId, project, automate } = world;
    await owner.api.projectSecrets.set({
      params: { project_id: project.id, name: "SECRET" },
      body: { kind: "variable", value: "a-secret-of-the-project" },
    });
    await automate("issue.labeled", { create: "secret {{event.issue.title}}" });
    const trusted = await label("Of the lead", "lead");
    const held = await label("Of a stranger", "stranger");
    expect(trusted.trust).toBe("trusted");
    // The scripted agent says the secret, and fails without it.
    await expect.poll(async () => (await read(trusted)).attention?.kind, slowly).toBe("no_changes");
    expect(await read(held)).toMatchObject({
      trust: "untrusted",
      status: "needs_you",
      attention: { kind: "release", attempt_id: null },
      attempts: [],
      actions: { release: { allowed: true }, retry: { allowed: false } },
    });
    const { data: waiting } = await owner.api.overview.attention({ params: { org_id: orgId } });
    expect(waiting).toContainEqual(
      expect.objectContaining({ type: "task", kind: "release", task_id: held.id }),
    );
    await expectProblem(owner.api.tasks.retry(at(held)), 409, "task_held");
    await expectProblem(owner.api.tasks.addAttempts({ ...at(held), body: {} }), 409, "task_held");

    const robot = await makeServiceAccount(app, owner, orgId);
    await expectProblem(robot.api.tasks.release(at(held)), 403, "insufficient_permission");
    const viewer = await app.person("Vera");
    await owner.api.members.add({
      params: { org_id: orgId },
      body: { user_id: viewer.id, role_id: systemRoleIds.viewer },
    });
    await expectProblem(viewer.api.tasks.release(at(held)), 403, "insufficient_permission");
    expect((await read(held)).attempts).toEqual([]);

    expect((await owner.api.tasks.release(at(held))).data.attention?.kind).not.toBe("release");
    await expect.poll(async () => (await read(held)).attention?.kind, slowly).toBe("failed");
    expect((await read(held)).attempts).toHaveLength(1);
    expect((await read(held)).trust).toBe("untrusted");
    // Another release changes nothing.
    await owner.api.tasks.release(at(held));
    const { data: log } = await owner.api.audit.list({ params: { org_id: orgId } });
    expect(log.filter(({ action }) => action === "task.released")).toMatchObject([
      { target: { id: held.id } },
    ]);
    await expectProblem(
      owner.api.tasks.addAttempts({
        ...at(held),
        body: { preset: "custom", command: ["/bin/cat"], network: "full" },
      }),
      409,
      "task_untrusted",
    );
  });

  test("starts at once where the project says so", async () => {
    const { project, automate } = world;
    await owner.api.projects.update({
      params: { project_id: project.id },
      body: { hold_untrusted_tasks: false },
    });
    await automate("issue.labeled", { create: "say {{event.issue.title}}?" });
    const task = await label("Of a stranger", "stranger");
    await expect.poll(async () => (await read(task)).attention?.kind, slowly).toBe("no_changes");
    expect((await read(task)).trust).toBe("untrusted");
  });

  test("is finished without a start", async () => {
    await world.automate("issue.labeled", { create: "say {{event.issue.title}}?" });
    const task = await label("Of a stranger", "stranger");
    await owner.api.tasks.update({ ...at(task), body: { status: "done" } });
    await expectProblem(owner.api.tasks.release(at(task)), 409, "task_finished");
    expect(await read(task)).toMatchObject({
      status: "done",
      attempts: [],
      actions: { release: { allowed: false, reason: "The task is done." } },
    });
  });
});
