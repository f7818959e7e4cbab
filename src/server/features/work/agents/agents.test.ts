import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import { systemRoleIds } from "../../../db/migrate.js";
import {
  expectProblem,
  sharedTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { fieldsOf, send, withoutRequestId } from "#test/support/http/raw-request.js";

describe("agents", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  let project: Project;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
    project = await makeProject(owner, orgId);
  });

  type Body = Parameters<typeof owner.api.agents.create>[0]["body"];
  const create = (body: Omit<Body, "project_id">, by = owner) =>
    by.api.agents.create({ body: { project_id: project.id, ...body } });

  test("a new agent is idle and a member with the role agent_executor", async () => {
    const { status, data } = await create({ name: "worker-1", description: "Writes tests" });
    expect(status).toBe(201);
    expect(data).toEqual({
      id: expect.any(String) as string,
      organization_id: orgId,
      project_id: project.id,
      name: "worker-1",
      description: "Writes tests",
      task: null,
      status: "idle",
      parent_agent_id: null,
      workspace_branch: null,
      workspace_type: null,
      current_run: null,
      queued_run: null,
      last_run: null,
      max_model_cost_usd: null,
      max_model_tokens: null,
      created_at: expect.any(String) as string,
      updated_at: expect.any(String) as string,
    });
    expect((await owner.api.agents.get({ params: { agent_id: data.id } })).data).toEqual(data);
    const { data: members } = await owner.api.members.list({ params: { org_id: orgId } });
    const member = members.find(({ agent_id }) => agent_id === data.id);
    expect(member).toMatchObject({ role_name: "agent_executor", display_name: "worker-1" });
  });

  test("a name is unique in the organization, also under concurrency", async () => {
    await create({ name: "unique" });
    const problem = await expectProblem(create({ name: "unique" }), 409, "name_taken");
    expect(fieldsOf(problem)).toEqual(["body.name"]);
    const second = await makeProject(owner, orgId);
    const body = { project_id: second.id, name: "unique" };
    await expectProblem(owner.api.agents.create({ body }), 409, "name_taken");
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => create({ name: "race" })),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const other = await makeOrganization(owner);
    const elsewhere = await makeProject(owner, other.id);
    const again = { project_id: elsewhere.id, name: "unique" };
    expect((await owner.api.agents.create({ body: again })).status).toBe(201);
  });

  test.each(["a", "0", "worker-1-b", "x".repeat(64), "a--b"])(
    "%s is a valid name",
    async (name) => {
      expect((await create({ name })).data.name).toBe(name);
    },
  );

  const names = ["", "-a", "a-", "A", "a_b", "a b", "a.b", "a/b", "..", "x".repeat(65), "ä", "a\n"];
  test.each(names)("%j is not a valid name", async (name) => {
    expect(fieldsOf(await expectProblem(create({ name }), 422, "validation_failed"))).toEqual([
      "body.name",
    ]);
  });

  test("a task is created, changed and cleared", async () => {
    const task = {
      title: "Fix the login",
      text: "Users cannot sign in with `+` in the address.\n",
    };
    const { data } = await create({ name: "with-task", task });
    expect(data.task).toEqual(task);
    const params = { agent_id: data.id };
    const update = async (body: Parameters<typeof owner.api.agents.update>[0]["body"]) =>
      (await owner.api.agents.update({ params, body })).data.task;
    expect(await update({ description: "new" })).toEqual(task);
    const other = { title: " Fix the logout ", text: "é".repeat(8192) };
    expect(await update({ task: other })).toEqual({ title: "Fix the logout", text: other.text });
    expect((await owner.api.agents.get({ params })).data.task?.text).toBe(other.text);
    expect(await update({ task: null })).toBeNull();
    const { data: events } = await owner.api.audit.list({
      params: { org_id: orgId },
      query: { limit: 2 },
    });
    expect(events.map(({ changes }) => changes["task"])).toEqual([
      { from: "Fix the logout", to: null },
      { from: task.title, to: "Fix the logout" },
    ]);
  });

  test.each([
    ["text", { title: "x", text: "" }],
    ["text", { title: "x", text: " \n" }],
    ["text", { title: "x", text: "é".repeat(8193) }],
    ["text", { title: "x", text: "a\u0000" }],
    ["title", { title: " ", text: "x" }],
    ["title", { title: "x".repeat(256), text: "x" }],
  ])("a task with a bad %s is 422", async (field, task) => {
    const problem = await expectProblem(
      create({ name: "bad-task", task }),
      422,
      "validation_failed",
    );
    expect(fieldsOf(problem)).toEqual([`body.task.${field}`]);
  });

  test("a parent must be an agent of the same project", async () => {
    const parent = (await create({ name: "parent" })).data;
    const child = await create({ name: "child", parent_agent_id: parent.id });
    expect(child.data.parent_agent_id).toBe(parent.id);
    const capitals = { name: "child-2", parent_agent_id: parent.id.toUpperCase() };
    const body = { ...capitals, project_id: project.id.toUpperCase() };
    expect((await owner.api.agents.create({ body })).data.parent_agent_id).toBe(parent.id);
    const second = await makeProject(owner, orgId);
    const elsewhere = await makeAgent(owner, second.id);
    for (const parent_agent_id of [elsewhere.id, randomUUID(), "parent"]) {
      const problem = await expectProblem(
        create({ name: "x", parent_agent_id }),
        422,
        "validation_failed",
      );
      expect(fieldsOf(problem)).toEqual(["body.parent_agent_id"]);
    }
  });

  test("another organization's project is indistinguishable from a missing one", async () => {
    const stranger = await app.person("stranger");
    const theirs = await makeProject(stranger, (await makeOrganization(stranger)).id);
    const at = (project_id: string) =>
      send(app, "POST", "/api/v1/agents", { token: owner.token, body: { project_id, name: "x" } });
    const [foreign, nothing] = [await at(theirs.id), await at(randomUUID())];
    expect([foreign.status, withoutRequestId(foreign)]).toEqual([422, withoutRequestId(nothing)]);
    expect(fieldsOf(JSON.parse(foreign.text))).toEqual(["body.project_id"]);
  });

  test("only the description can change; null clears it", async () => {
    const { id } = (await create({ name: "changing", description: "d" })).data;
    const params = { agent_id: id };
    const update = async (body: object) => (await owner.api.agents.update({ params, body })).data;
    expect((await update({})).description).toBe("d");
    expect((await update({ description: "e" })).description).toBe("e");
    expect((await update({ description: null })).description).toBeNull();
    for (const body of [{ name: "other" }, { status: "terminated" }, { project_id: project.id }]) {
      const problem = await expectProblem(update(body), 422, "validation_failed");
      expect(fieldsOf(problem)).toEqual([`body.${Object.keys(body)[0]}`]);
    }
    for (const agent_id of [randomUUID(), "changing"]) {
      await expectProblem(owner.api.agents.get({ params: { agent_id } }), 404, "not_found");
      const missing = owner.api.agents.update({ params: { agent_id }, body: {} });
      await expectProblem(missing, 404, "not_found");
    }
  });

  test("agents are listed by organization, project and status, in pages", async () => {
    const lister = await app.person("lister");
    const [one, two] = [await makeOrganization(lister), await makeOrganization(lister)];
    const first = await makeProject(lister, one.id);
    const second = await makeProject(lister, one.id);
    const third = await makeProject(lister, two.id);
    const ids: string[] = [];
    for (const { id } of [first, first, second, third]) ids.push((await makeAgent(lister, id)).id);
    const run = { params: { agent_id: ids[1] as string }, body: { external: true } } as const;
    await lister.api.runs.create(run);
    const listed = async (query: {
      organization_id?: string;
      project_id?: string;
      status?: "idle" | "running";
    }) => (await lister.api.agents.list({ query })).data.map(({ id }) => id);
    expect(await listed({})).toEqual(ids);
    expect(await listed({ organization_id: one.id })).toEqual(ids.slice(0, 3));
    expect(await listed({ project_id: first.id })).toEqual(ids.slice(0, 2));
    expect(await listed({ status: "running" })).toEqual([ids[1]]);
    expect(await listed({ status: "idle", organization_id: one.id })).toEqual([ids[0], ids[2]]);
    expect(await listed({ project_id: randomUUID() })).toEqual([]);
    const seen: string[] = [];
    for (let next: string | undefined = "/api/v1/agents?limit=3"; next !== undefined;) {
      const { headers, text } = await send(app, "GET", next, { token: lister.token });
      seen.push(...(JSON.parse(text) as { id: string }[]).map(({ id }) => id));
      next = /<([^>]+)>; rel="next"/.exec(headers.get("link") ?? "")?.[1];
    }
    expect(seen).toEqual(ids);
    for (const [query, field] of [
      ["status=busy", "query.status"],
      ["project_id=x", "query.project_id"],
      ["cursor=x", "query.cursor"],
    ]) {
      const answer = await send(app, "GET", `/api/v1/agents?${query}`, { token: lister.token });
      expect([answer.status, fieldsOf(JSON.parse(answer.text))]).toEqual([422, [field]]);
    }
  });

  test("a viewer reads but cannot create; errors name the missing permission", async () => {
    const viewer = await app.person("viewer");
    const body = { user_id: viewer.id, role_id: systemRoleIds.viewer };
    await owner.api.members.add({ params: { org_id: orgId }, body });
    const { id } = (await create({ name: "seen" })).data;
    const params = { agent_id: id };
    expect((await viewer.api.agents.get({ params })).data.id).toBe(id);
    const { api } = viewer;
    for (const [call, permission] of [
      [() => create({ name: "x" }, viewer), "agent:write"],
      [() => api.agents.update({ params, body: {} }), "agent:write"],
      [() => api.runs.create({ params, body: { external: true } }), "agent:run"],
      [() => api.workspaces.create({ params }), "agent:workspace:write"],
      [() => api.workspaces.update({ params, body: {} }), "agent:workspace:write"],
      [
        () => api.workspaces.createCommit({ params, body: { commit_type: "manual" } }),
        "agent:workspace:write",
      ],
      [() => api.workspaces.createMerge({ params }), "agent:workspace:merge"],
    ] as const) {
      const problem = await expectProblem(call(), 403, "insufficient_permission");
      expect(problem.missing_permissions).toEqual([permission]);
    }
  });
});
