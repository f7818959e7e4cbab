// Thorough: predictions of conflicts that change, and rare sequences of items.
import { v7 } from "uuid";
import { describe, expect, test, vi } from "vitest";
import { insertTask } from "#test/support/database/insert-task.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { commitFiles, makeWorkspace } from "#test/support/fixtures/factories.js";
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

  test("drops a failed run with its agent and its project", async () => {
    await endedRun("failed");
    await owner.api.agents.delete({ params: { agent_id: workspace.agent_id } });
    expect(await list()).toEqual([]);
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
      vi.waitFor(async () => expect(await conflict()).toHaveLength(count), { timeout: 120_000 });
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

  test("leaves a task in review to those who may approve its merge request", async () => {
    await commitFiles(owner, workspace, { "a.txt": "two\nthree\n", "b.txt": "new\n" });
    const task = await insertTask(app, {
      ownerId: owner.id,
      agentIds: [workspace.agent_id],
      attention: { kind: "review" },
    });
    const changes = { files: 2, added: 3, removed: 1 };
    await vi.waitFor(async () => expect(await list()).toMatchObject([{ type: "task", changes }]), {
      timeout: 120_000,
    });
    const protected_branches = [{ pattern: "main", approvals: 1 }];
    await owner.api.projects.update({
      params: { project_id: project.id },
      body: { protected_branches },
    });
    await owner.api.workspaces.createMerge({
      params: { agent_id: workspace.agent_id },
      body: { queue: true },
    });
    const ofOther = async () => (await list(other)).filter(({ type }) => type !== "api_key");
    await vi.waitFor(
      async () => expect(await ofOther()).toMatchObject([{ type: "merge_request" }]),
      { timeout: 120_000 },
    );
    await queryAsOwner(
      app,
      `update tasks set urgency = 40, attention = jsonb_build_object('kind', 'review', 'summary', '',
         'since', now(), 'attempt_id', (select id from task_attempts where task_id = $1)) where id = $1`,
      [task],
    );
    expect(await ofOther()).toMatchObject([
      { type: "merge_request", task_id: task, task_number: 1 },
    ]);
    expect(await list()).toEqual([]);
  });
});
