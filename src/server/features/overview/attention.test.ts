import { randomUUID } from "node:crypto";
import { v7 } from "uuid";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { AttentionItem } from "#shared/api/organizations/overview.js";
import type { Project } from "#shared/api/projects/projects.js";
import type { Workspace } from "#shared/api/projects/workspaces.js";
import { systemRoleIds } from "#server/db/migrate.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { insertSession } from "#test/support/database/insert-session.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";

describe("the attention list", () => {
  let app: TestApp;
  let owner: TestPerson;
  let other: TestPerson;
  let viewer: TestPerson;
  let orgId: string;
  let project: Project;
  let workspace: Workspace;
  beforeAll(async () => {
    app = await startTestApp();
    [owner, other, viewer] = [
      await app.person("Ada"),
      await app.person("Bob"),
      await app.person("Vera"),
    ];
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    orgId = (await makeOrganization(owner)).id;
    const join = (user_id: string, role_id: string) =>
      owner.api.members.add({ params: { org_id: orgId }, body: { user_id, role_id } });
    await join(other.id, systemRoleIds.admin);
    await join(viewer.id, systemRoleIds.viewer);
    project = await makeProjectWith(owner, orgId, { "a.txt": "one\n" });
    workspace = (await makeWorkspace(owner, project.id)).workspace;
  });

  const params = () => ({ org_id: orgId });
  const list = async (person = owner): Promise<AttentionItem[]> =>
    (await person.api.overview.attention({ params: params() })).data;
  const typesOf = async (person = owner): Promise<string[]> =>
    (await list(person)).map(({ type }) => type);
  const dismiss = (key: string, person = owner) =>
    person.api.overview.dismiss({ params: { ...params(), item_key: key } });
  const onlyKey = async (person = owner): Promise<string> => (await list(person))[0]?.key as string;

  /** A run elsewhere that has ended. */
  const endedRun = async (
    status: "failed" | "succeeded" | "stopped",
    agent_id = workspace.agent_id,
  ) => {
    const of = { agent_id };
    const { data } = await owner.api.runs.create({ params: of, body: { external: true } });
    await owner.api.runs.stop({ params: { run_id: data.id }, body: { status } });
    return data;
  };
  const waitingSession = async (
    agentId = workspace.agent_id,
    id: string = randomUUID(),
  ): Promise<string> => {
    await insertSession(app, id, agentId);
    await queryAsOwner(
      app,
      "update agent_sessions set status = 'waiting_for_permission' where id = $1",
      [id],
    );
    return id;
  };

  test("is empty at first, and for others than members it does not exist", async () => {
    expect(await list()).toEqual([]);
    const stranger = await app.person("stranger");
    await expectProblem(list(stranger), 404, "not_found");
    await expectProblem(dismiss(`failed_run:${randomUUID()}`, stranger), 404, "not_found");
  });

  test("has a failed run until the agent begins something else", async () => {
    const run = await endedRun("failed");
    const [item] = await list();
    expect(item).toMatchObject({
      type: "failed_run",
      key: `failed_run:${run.id}`,
      agent_id: workspace.agent_id,
      project_name: project.name,
      run_id: run.id,
      status: "failed",
      session_id: null,
    });
    expect(await typesOf(viewer)).toEqual(["failed_run"]);
    await endedRun("succeeded");
    expect(await list()).toEqual([]);
    await endedRun("failed");
    expect(await typesOf()).toEqual(["failed_run"]);
    await endedRun("stopped");
    expect(await list()).toEqual([]);
    await endedRun("failed");
    await insertSession(app, randomUUID(), workspace.agent_id);
    expect(await list()).toEqual([]);
  });

  test("drops a failed run with its agent and its project", async () => {
    await endedRun("failed");
    await owner.api.agents.delete({ params: { agent_id: workspace.agent_id } });
    expect(await list()).toEqual([]);
  });

  test("has a request for a permission until it is answered; of two answers one counts", async () => {
    const sessionId = await waitingSession();
    const [item] = await list();
    expect(item).toMatchObject({
      type: "permission_request",
      session_id: sessionId,
      session_title: "Of a test",
      request: { request_id: sessionId, title: "Edit a.txt" },
    });
    expect(await typesOf(viewer)).toEqual(["permission_request"]);
    const answer = ({ api }: TestPerson) =>
      api.agentSessions.answer({
        params: { session_id: sessionId, request_id: sessionId },
        body: { option_id: "yes" },
      });
    await expectProblem(answer(viewer), 403, "insufficient_permission");
    const results = await Promise.allSettled([answer(owner), answer(other)]);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const refused = results.find(({ status }) => status === "rejected") as PromiseRejectedResult;
    expect(refused.reason).toMatchObject({ problem: { code: "permission_answered" } });
    // The program has not taken the answer yet, and no one has to answer again.
    expect([await list(), await list(other)]).toEqual([[], []]);
  });

  test("has a request for a permission since its own time, whatever its session does later", async () => {
    const asked = Date.UTC(2025, 5, 15);
    const later = (await makeWorkspace(owner, project.id)).workspace;
    const newer = await waitingSession(workspace.agent_id, v7({ msecs: asked + 1 }));
    const older = await waitingSession(later.agent_id, v7({ msecs: asked }));
    await queryAsOwner(app, "update agent_sessions set updated_at = now() where id = $1", [older]);
    expect(await list()).toMatchObject([
      { session_id: newer, at: new Date(asked + 1).toISOString() },
      { session_id: older, at: new Date(asked).toISOString() },
    ]);
  });

  test("has a predicted conflict until a commit ends it, once for the same paths", async () => {
    const rival = (await makeWorkspace(owner, project.id)).workspace;
    const conflict = async () => (await list()).filter(({ type }) => type === "conflict");
    const wait = (count: number) =>
      vi.waitFor(async () => expect(await conflict()).toHaveLength(count), { timeout: 20_000 });
    await commitFiles(owner, workspace, { "a.txt": "two\n" });
    await commitFiles(owner, rival, { "a.txt": "three\n" });
    await wait(1);
    const [item] = await conflict();
    const names = [workspace.agent_name, rival.agent_name].toSorted();
    expect(item).toMatchObject({
      agent_name: names[0],
      other_agent_name: names[1],
      total_conflicts: 1,
      paths: ["a.txt"],
    });
    expect(await typesOf(viewer)).toEqual(["conflict"]);
    await dismiss(item?.key as string);
    expect(await conflict()).toEqual([]);
    const { data: work } = await owner.api.overview.work({ params: params() });
    expect(work.filter(({ conflicts }) => conflicts > 0)).toHaveLength(2);
    // Another conflict over the same file is not news.
    await commitFiles(owner, rival, { "a.txt": "four\n" });
    await commitFiles(owner, rival, { "b.txt": "four\n" });
    await commitFiles(owner, workspace, { "b.txt": "two\n" });
    await wait(1);
    expect((await conflict())[0]).toMatchObject({ total_conflicts: 2, paths: ["a.txt", "b.txt"] });
    await commitFiles(owner, rival, { "a.txt": "two\n", "b.txt": "two\n" });
    await wait(0);
  });

  test("has a merge that waits for an approval, for those who may approve it", async () => {
    const protected_branches = [{ pattern: "main", approvals: 1 }];
    await owner.api.projects.update({
      params: { project_id: project.id },
      body: { protected_branches },
    });
    await commitFiles(owner, workspace, { "a.txt": "two\n" });
    const { data: request } = await owner.api.workspaces.createMerge({
      params: { agent_id: workspace.agent_id },
      body: { queue: true },
    });
    await vi.waitFor(async () => expect(await typesOf(other)).toEqual(["merge_request"]), {
      timeout: 10_000,
    });
    expect(await list()).toEqual([]);
    expect((await list(viewer))[0]).toMatchObject({
      merge_request_id: request.id,
      target_branch: "main",
      requested_by: { type: "user", id: owner.id },
    });
    const approve = { params: { merge_request_id: request.id } };
    await expectProblem(owner.api.mergeQueue.approve(approve), 403, "own_work");
    await other.api.mergeQueue.approve(approve);
    expect(await list(other)).toEqual([]);
  });

  test("has budgets of which 80 % are used, and again when they are used up", async () => {
    await owner.api.agents.update({
      params: { agent_id: workspace.agent_id },
      body: { max_model_cost_usd: 10, max_model_tokens: 1000 },
    });
    const spend = (tokens: number, usd: number) =>
      queryAsOwner(
        app,
        `insert into model_spending as m (org_id, owner_id, month, tokens, cost_nanousd)
         values ($1, $2, date_trunc('month', now() at time zone 'UTC'), $3, $4)
         on conflict (owner_id, month) do update set tokens = $3, cost_nanousd = $4`,
        [orgId, workspace.agent_id, tokens, usd * 1e9],
      );
    await spend(799, 7.99);
    expect(await list()).toEqual([]);
    await spend(10, 8);
    const [item] = await list();
    expect(item).toMatchObject({
      type: "budget",
      kind: "model_cost",
      owner: "agent",
      used: 8,
      limit: 10,
      agent_id: workspace.agent_id,
    });
    await dismiss(item?.key as string);
    await spend(10, 9);
    expect(await list()).toEqual([]);
    await spend(10, 10.5);
    expect(await typesOf()).toEqual(["budget"]);
    expect(await typesOf(viewer)).toEqual(["budget"]);
    const body = { max_model_cost_usd: 100 };
    await owner.api.agents.update({ params: { agent_id: workspace.agent_id }, body });
    expect(await list()).toEqual([]);
    await spend(1000, 0);
    expect((await list())[0]).toMatchObject({ kind: "model_tokens", used: 1000, limit: 1000 });
  });

  test("has the budgets of those that the caller may read", async () => {
    const budget = { max_model_tokens: 1000 };
    await owner.api.organizations.update({ params: params(), body: budget });
    await owner.api.projects.update({ params: { project_id: project.id }, body: budget });
    await owner.api.agents.update({ params: { agent_id: workspace.agent_id }, body: budget });
    for (const id of [orgId, project.id, workspace.agent_id]) {
      await queryAsOwner(
        app,
        `insert into model_spending (org_id, owner_id, month, tokens, cost_nanousd)
         values ($1, $2, date_trunc('month', now() at time zone 'UTC'), 900, 0)`,
        [orgId, id],
      );
    }
    const ownersFor = async (permissions: string[]) => {
      const person = await app.person("reader");
      const body = { name: permissions.join(" "), permissions };
      const { data: role } = await owner.api.roles.create({ params: params(), body });
      const member = { user_id: person.id, role_id: role.id };
      await owner.api.members.add({ params: params(), body: member });
      const items = await list(person);
      return items.map((item) => (item.type === "budget" ? item.owner : item.type)).toSorted();
    };
    expect(await ownersFor(["org:read"])).toEqual(["organization"]);
    expect(await ownersFor(["org:read", "project:read"])).toEqual(["organization", "project"]);
    expect(await ownersFor(["org:read", "agent:read"])).toEqual(["agent", "organization"]);
    expect(await list(viewer)).toHaveLength(3);
  });

  test("has the organization's hours, and its agents once runs wait", async () => {
    await owner.api.organizations.update({
      params: params(),
      body: { max_agent_runtime_hours: 0.000_1, max_concurrent_agents: 1 },
    });
    await queryAsOwner(
      app,
      `insert into runs (id, org_id, agent_id, kind, status, started_at, ended_at)
       values (gen_random_uuid(), $1, $2, 'leased', 'stopped', now() - interval '1 second', now())`,
      [orgId, workspace.agent_id],
    );
    expect((await list())[0]).toMatchObject({ kind: "runtime_hours", owner: "organization" });
    await owner.api.organizations.update({
      params: params(),
      body: { max_agent_runtime_hours: 1000 },
    });
    expect(await list()).toEqual([]);
    const of = { agent_id: workspace.agent_id };
    await owner.api.runs.create({ params: of, body: { external: true } });
    expect(await list()).toEqual([]);
    await queryAsOwner(
      app,
      `insert into runs (id, org_id, agent_id, kind, status, started_at, command)
       values (gen_random_uuid(), $1, $2, 'managed', 'queued', null, '{true}')`,
      [orgId, workspace.agent_id],
    );
    expect((await list())[0]).toMatchObject({ kind: "concurrent_agents", used: 1, limit: 1 });
  });

  test("has keys that expire within a week: those of the caller, and all scoped ones for admins", async () => {
    const make = (expires_in_days: number, person = owner) =>
      person.api.apiKeys.create({
        body: { name: `for ${expires_in_days} days`, organization_id: orgId, expires_in_days },
      });
    await make(30);
    const { data: key } = await make(3);
    expect(await list()).toMatchObject([
      { type: "api_key", key_id: key.id, name: "for 3 days", is_own: true },
    ]);
    expect(await list(other)).toMatchObject([{ key_id: key.id, is_own: false }]);
    expect(await list(viewer)).toEqual([]);
    // Other users' keys are shown only if they name the organization.
    await other.api.apiKeys.create({ body: { name: "all", scopes: ["*:*"], expires_in_days: 2 } });
    expect(await list()).toHaveLength(1);
    expect(await list(other)).toHaveLength(2);
    // A key sees its own kind only.
    const { data: narrow } = await other.api.apiKeys.create({
      body: { name: "narrow", organization_id: orgId },
    });
    const seen = await app.client(narrow.key as string).overview.attention({ params: params() });
    expect(seen.data.map((item) => "name" in item && item.name)).toEqual(["for 3 days"]);
    await owner.api.apiKeys.rotate({
      params: { key_id: key.id },
      body: { grace_period_seconds: 3600 },
    });
    expect((await list()).map((item) => "key_id" in item && item.key_id)).not.toContain(key.id);
  });

  test("is dismissed by each person alone, and the dismissal can be undone", async () => {
    await endedRun("failed");
    const key = await onlyKey();
    await dismiss(key);
    await dismiss(key);
    expect([await list(), await typesOf(viewer)]).toEqual([[], ["failed_run"]]);
    await owner.api.overview.undismiss({ params: { ...params(), item_key: key } });
    expect(await typesOf()).toEqual(["failed_run"]);
    const undo = owner.api.overview.undismiss({ params: { ...params(), item_key: key } });
    await expectProblem(undo, 404, "not_found");
    await dismiss(key, viewer);
    await endedRun("failed");
    expect(await typesOf(viewer)).toEqual(["failed_run"]);
    await expectProblem(dismiss(key, viewer), 404, "not_found");
    await expectProblem(dismiss("failed run"), 404, "not_found");
  });

  test("forgets dismissals by age and with the membership, not with the item, which may return", async () => {
    const rows = async () =>
      (
        await queryAsOwner<{ item_key: string }>(
          app,
          "select item_key from attention_dismissals where org_id = $1 order by dismissed_at",
          [orgId],
        )
      ).map(({ item_key }) => item_key);
    const age = (days: number) =>
      queryAsOwner(
        app,
        "update attention_dismissals set dismissed_at = now() - make_interval(days => $2) where org_id = $1",
        [orgId, days],
      );
    await endedRun("failed");
    const first = await onlyKey();
    await dismiss(first, viewer);
    await age(89);
    // A queued run hides the failed one until it is stopped.
    await queryAsOwner(
      app,
      `insert into runs (id, org_id, agent_id, kind, status, started_at, command)
       values (gen_random_uuid(), $1, $2, 'managed', 'queued', null, '{true}')`,
      [orgId, workspace.agent_id],
    );
    const rival = (await makeWorkspace(owner, project.id)).workspace;
    await endedRun("failed", rival.agent_id);
    const second = await onlyKey();
    await dismiss(second, viewer);
    expect(await rows()).toEqual([first, second]);
    await queryAsOwner(app, "delete from runs where org_id = $1 and status = 'queued'", [orgId]);
    expect([await list(viewer), await list()]).toMatchObject([[], [{}, {}]]);
    await age(91);
    await dismiss(second, viewer);
    expect(await rows()).toEqual([second]);
    const { data: members } = await owner.api.members.list({ params: params() });
    const member = members.find(({ user_id }) => user_id === viewer.id)?.id as string;
    await owner.api.members.remove({ params: { ...params(), member_id: member } });
    expect(await rows()).toEqual([]);
  });

  test("stays readable in an archived organization, which takes no dismissal", async () => {
    await endedRun("failed");
    await owner.api.organizations.archive({ params: params() });
    const key = await onlyKey();
    expect(key).toMatch(/^failed_run:/);
    await expectProblem(dismiss(key), 409, "organization_archived");
  });

  test("is read in pages, and shows an agent nothing without a role that reads", async () => {
    await endedRun("failed");
    await waitingSession((await makeWorkspace(owner, project.id)).agent.id);
    const first = await owner.api.overview.attention({ params: params(), query: { limit: 1 } });
    expect(first.data.map(({ type }) => type)).toEqual(["permission_request"]);
    expect(first.headers.get("link")).toContain('rel="next"');
    const { data: key } = await owner.api.apiKeys.create({
      body: { name: "agent", organization_id: orgId, agent_id: workspace.agent_id },
    });
    const agent = app.client(key.key as string);
    const refused = agent.overview.attention({ params: params() });
    await expectProblem(refused, 403, "insufficient_permission");
    const { data: own } = await agent.overview.work({ params: params() });
    expect(own.map(({ agent_id }) => agent_id)).toEqual([workspace.agent_id]);
  });
});
