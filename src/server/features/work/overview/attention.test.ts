import { randomUUID } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import type { AttentionItem } from "#shared/api/work/overview.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { expectProblem, type TestPerson } from "#test/support/server/app.js";
import { insertTask } from "#test/support/database/insert-task.js";
import { insertSession } from "#test/support/database/insert-session.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { commitFiles, makeAgent, makeWorkspace } from "#test/support/fixtures/factories.js";
import {
  app,
  owner,
  other,
  viewer,
  orgId,
  project,
  workspace,
  params,
  list,
  typesOf,
  dismiss,
  onlyKey,
  endedRun,
  waitingSession,
  prepareAttention,
} from "#test/support/fixtures/attention.js";

describe("the attention list", () => {
  prepareAttention();

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
      timeout: 120_000,
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

  test("stays readable in an archived organization, which takes no dismissal", async () => {
    await endedRun("failed");
    await owner.api.organizations.archive({ params: params() });
    const key = await onlyKey();
    expect(key).toMatch(/^failed_run:/);
    await expectProblem(dismiss(key), 409, "organization_archived");
  });

  test("has a task that needs a person, as one item with its failed run", async () => {
    await endedRun("failed");
    const task = await insertTask(app, {
      ownerId: owner.id,
      title: "Half-cent rounding",
      agentIds: [workspace.agent_id],
      attention: { kind: "failed", summary: "exit code 1" },
    });
    expect(await list()).toMatchObject([
      {
        type: "task",
        kind: "failed",
        summary: "exit code 1",
        task_id: task,
        task_number: 1,
        task_title: "Half-cent rounding",
        task_owner_id: owner.id,
        task_owner_name: "Ada",
        project_name: project.name,
        agent_id: workspace.agent_id,
        session_id: null,
        changes: null,
      },
    ]);
    expect(await typesOf(viewer)).toEqual(["task"]);
    const key = await onlyKey();
    await dismiss(key);
    expect(await list()).toEqual([]);
    // Another failure is news.
    await queryAsOwner(
      app,
      `update tasks set attention = attention || '{"since": "2026-01-02T03:04:05.678Z"}' where id = $1`,
      [task],
    );
    expect(await list()).toMatchObject([{ at: "2026-01-02T03:04:05.678Z" }]);
    await queryAsOwner(
      app,
      "update tasks set attention = null, urgency = 100, status = 'done', resolution = 'done', finished_at = now() where id = $1",
      [task],
    );
    // What failed before its end needs nothing any more; a later run of its agent does.
    expect(await list()).toEqual([]);
    await endedRun("failed");
    expect(await list()).toMatchObject([{ type: "failed_run", task_id: task, task_number: 1 }]);
  });

  test("has no tasks for those who may not read them", async () => {
    await insertTask(app, {
      ownerId: null,
      agentIds: [workspace.agent_id],
      attention: { kind: "question" },
    });
    await waitingSession();
    const person = await app.person("reader");
    const body = { name: "agents", permissions: ["org:read", "agent:read"] };
    const { data: role } = await owner.api.roles.create({ params: params(), body });
    const member = { user_id: person.id, role_id: role.id };
    await owner.api.members.add({ params: params(), body: member });
    expect(await list(person)).toMatchObject([
      { type: "permission_request", task_id: null, task_title: null },
    ]);
    const { data: work } = await person.api.overview.work({ params: params() });
    for (const row of work) expect(row).toMatchObject({ task_id: null, task_title: null });
  });

  test("is sorted by urgency, then by time, also in pages", async () => {
    const kinds = ["budget", "stuck", "question", "review", "missing_key", "question"] as const;
    const agents = await Promise.all(kinds.map(() => makeAgent(owner, project.id)));
    for (const [index, kind] of kinds.entries()) {
      await insertTask(app, {
        ownerId: owner.id,
        agentIds: [agents[index]?.id as string],
        attention: { kind, since: new Date(Date.UTC(2026, 0, 1 + index)).toISOString() },
      });
    }
    await waitingSession();
    await endedRun("failed", (await makeWorkspace(owner, project.id)).agent.id);
    const sorted = (items: AttentionItem[]) =>
      items.map((item) => (item.type === "task" ? `${item.kind} ${item.task_number}` : item.type));
    const all = [
      "permission_request",
      "question 6",
      "question 3",
      "missing_key 5",
      "review 4",
      "failed_run",
      "stuck 2",
      "budget 1",
    ];
    expect(sorted(await list())).toEqual(all);
    const pages: AttentionItem[] = [];
    let cursor: string | undefined;
    do {
      const { data, headers } = await owner.api.overview.attention({
        params: params(),
        query: { limit: 3, ...(cursor !== undefined && { cursor }) },
      });
      pages.push(...data);
      cursor = /cursor=([^>&]+)/.exec(headers.get("link") ?? "")?.[1];
    } while (cursor !== undefined);
    expect(sorted(pages)).toEqual(all);
  });

  test("has a conflict once for each file, with all agents and tasks that change it", async () => {
    const others = [
      (await makeWorkspace(owner, project.id)).workspace,
      (await makeWorkspace(owner, project.id)).workspace,
    ];
    const all = [workspace, ...others];
    const task = await insertTask(app, { ownerId: owner.id, agentIds: [workspace.agent_id] });
    for (const [index, each] of all.entries()) {
      await commitFiles(owner, each, { "a.txt": `${index} of a\n` });
    }
    await commitFiles(owner, all[1] as Workspace, { "b.txt": "1 of b\n" });
    await commitFiles(owner, all[2] as Workspace, { "b.txt": "2 of b\n" });
    const conflicts = async () =>
      (await list())
        .flatMap((item) => (item.type === "conflict" ? [item] : []))
        .toSorted((left, right) => (left.path < right.path ? -1 : 1));
    await vi.waitFor(
      async () => {
        const [first, second] = await conflicts();
        expect([first?.agents.length, second?.agents.length]).toEqual([3, 2]);
      },
      { timeout: 120_000 },
    );
    const [first] = await conflicts();
    const named = (each: Workspace, task_id: string | null) => ({
      agent_id: each.agent_id,
      agent_name: each.agent_name,
      task_id,
      task_number: task_id === null ? null : 1,
      task_title: task_id === null ? null : "A task",
      task_owner_id: task_id === null ? null : owner.id,
    });
    expect(first).toMatchObject({
      path: "a.txt",
      base_branch: null,
      agents: [named(workspace, task), ...others.map((each) => named(each, null))].toSorted(
        (left, right) => (left.agent_name < right.agent_name ? -1 : 1),
      ),
    });
    // A conflict with fewer agents is not news.
    await dismiss(first?.key as string);
    expect(await conflicts()).toMatchObject([{ path: "b.txt" }]);
    await owner.api.agents.delete({ params: { agent_id: workspace.agent_id } });
    await vi.waitFor(async () => expect(await conflicts()).toMatchObject([{ path: "b.txt" }]), {
      timeout: 120_000,
    });
  });

  test("snoozes an item until a time, for each person alone", async () => {
    await endedRun("failed");
    const key = await onlyKey();
    const snooze = (until: string) =>
      owner.api.overview.dismiss({ params: { ...params(), item_key: key }, body: { until } });
    const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
    for (const until of [inHours(-1), inHours(24 * 91)]) {
      await expectProblem(snooze(until), 422, "validation_failed");
    }
    await snooze(inHours(1));
    expect([await list(), await typesOf(viewer)]).toEqual([[], ["failed_run"]]);
    const pass = () =>
      queryAsOwner(app, "update attention_dismissals set until = now() where org_id = $1", [orgId]);
    await pass();
    expect(await typesOf()).toEqual(["failed_run"]);
    await snooze(inHours(24 * 89));
    expect(await list()).toEqual([]);
    // Done is for good.
    await dismiss(key);
    expect(await list()).toEqual([]);
    await owner.api.overview.undismiss({ params: { ...params(), item_key: key } });
    expect(await typesOf()).toEqual(["failed_run"]);
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
