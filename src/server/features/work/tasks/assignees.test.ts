import { randomUUID } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { systemRoleIds } from "#server/db/migrate.js";
import type { Task } from "#shared/api/work/tasks.js";
import { insertAttempt } from "#test/support/database/insert-attempt.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { makeServiceAccount } from "#test/support/fixtures/service-accounts.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";

let app: TestApp;
let owner: TestPerson;
let grace: TestPerson;
beforeAll(async () => {
  app = await sharedTestApp();
  owner = await app.person("Ada");
  grace = await app.person("Grace");
});

test("people are assigned beside the agents of live attempts", async () => {
  const { id: org_id } = await makeOrganization(owner);
  const project = await makeProject(owner, org_id);
  const { agent } = await makeWorkspace(owner, project.id);
  const { account } = await makeServiceAccount(app, owner, org_id);
  const { data: member } = await owner.api.members.add({
    params: { org_id },
    body: { user_id: grace.id, role_id: systemRoleIds.member },
  });
  const create = async (assignees: string[]): Promise<Task> => {
    const body = { body: "Split the cart", start: false, assignees };
    return (await owner.api.tasks.create({ params: { project_id: project.id }, body })).data;
  };
  const { id } = await create([grace.id, grace.id]);
  const params = { task_id: id };
  await insertAttempt(app, id, agent.id, randomUUID());
  const assigned = async (): Promise<Task["assignees"]> =>
    (await owner.api.tasks.get({ params })).data.assignees;
  const worker = { type: "agent", id: agent.id, name: agent.name };
  expect(await assigned()).toEqual([{ type: "person", id: grace.id, name: "Grace" }, worker]);

  await owner.api.tasks.update({ params, body: { assignees: [owner.id, grace.id] } });
  expect((await assigned()).map(({ name }) => name)).toEqual(["Ada", "Grace", agent.name]);
  await owner.api.tasks.update({ params, body: { title: "Split the basket" } });
  expect(await assigned()).toHaveLength(3);

  for (const stranger of [account.id, agent.id, randomUUID()]) {
    const problem = await expectProblem(create([stranger]), 422, "validation_failed");
    expect(problem.errors?.map(({ loc }) => loc.at(-1))).toEqual(["assignees"]);
    await expectProblem(
      owner.api.tasks.update({ params, body: { assignees: [stranger] } }),
      422,
      "validation_failed",
    );
  }

  await owner.api.members.remove({ params: { org_id, member_id: member.id } });
  expect((await assigned()).map(({ name }) => name)).toEqual(["Ada", agent.name]);
  await owner.api.agents.delete({ params: { agent_id: agent.id } });
  expect((await assigned()).map(({ name }) => name)).toEqual(["Ada"]);

  const { data: events } = await owner.api.audit.list({
    params: { org_id },
    query: { action: "task.updated" },
  });
  expect(events.at(-1)?.changes).toMatchObject({
    assignees: { from: [grace.id], to: [owner.id, grace.id].toSorted() },
  });
});
