// Thorough: each way in which a required opinion holds a merge up runs a program.
import { systemRoleIds } from "#server/db/migrate.js";
import { describe, expect, test } from "vitest";
import { commitFiles, makeWorkspace } from "#test/support/fixtures/factories.js";
import { waitForRequest } from "#test/support/fixtures/merge-requests.js";
import { waitForOpinion } from "#test/support/fixtures/reviewers.js";
import {
  fine,
  changes,
  app,
  owner,
  reviewers,
  project,
  made,
  protect,
  merge,
  opinions,
  read,
  until,
  blocked,
  prepareRequiredOpinions,
} from "#test/support/fixtures/required-opinions.js";

describe("required second opinions", () => {
  prepareRequiredOpinions();

  test("a request for changes holds the merge up until its threads are resolved", async () => {
    await reviewers.script(changes);
    const { id } = await merge();
    await until(id, blocked);
    const { data: threads } = await owner.api.threads.list({ params: { task_id: made.task.id } });
    await owner.api.threads.update({
      params: { thread_id: threads[0]?.id as string },
      body: { resolved: true },
    });
    expect((await waitForRequest(owner, id)).status).toBe("merged");
    expect(await opinions()).toHaveLength(1);
  });

  test("a failed opinion holds the merge up until it is tried again", async () => {
    await reviewers.script("process.exit(3);");
    const { id } = await merge();
    await until(id, {
      status: "waiting_for_approval",
      reason:
        "The second opinion of Claude Code has failed; retry it, or dismiss it with a reason.",
    });
    await reviewers.script(fine);
    const [failed] = await opinions();
    await owner.api.opinions.retry({ params: { opinion_id: failed?.id as string } });
    expect((await waitForRequest(owner, id)).status).toBe("merged");
  });

  test("an opinion counts for the change: it is kept when only the target moves, and asked anew else", async () => {
    const { data: asked } = await owner.api.opinions.ask({
      params: { task_id: made.task.id },
      body: { preset: "claude-code" },
    });
    await waitForOpinion(owner, asked.id);
    await protect({});
    const { workspace: other } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, other, { "b.txt": "moved\n" });
    await owner.api.workspaces.createMerge({ params: { agent_id: other.agent_id }, body: {} });
    await protect({ reviews: [{ preset: "claude-code" }] });
    await owner.api.workspaces.sync({ params: { agent_id: made.workspace.agent_id }, body: {} });
    await reviewers.script(changes);
    const first = await merge();
    expect((await waitForRequest(owner, first.id)).status).toBe("merged");
    expect(await opinions()).toHaveLength(1);
    await commitFiles(owner, made.workspace, { "a.txt": "a\nb b b\n" });
    const second = await merge();
    await until(second.id, blocked);
    expect(await opinions()).toMatchObject([
      { requested_by: null },
      { requested_by: { name: "Ada" }, required: true },
    ]);
  });

  test("it never takes the place of an approval, and a comment of another kind none of it", async () => {
    await protect({ approvals: 1, reviews: [{ preset: "claude-code", prompt: "Rounding" }] });
    const grace = await app.person("Grace");
    await owner.api.members.add({
      params: { org_id: project.organization_id },
      body: { user_id: grace.id, role_id: systemRoleIds.member },
    });
    const { id } = await merge();
    await until(id, { status: "waiting_for_approval", reason: "Waiting for an approval." });
    expect(await opinions()).toMatchObject([{ status: "done", prompt: "Rounding" }]);
    expect((await read(id)).approvals).toEqual([]);
    await grace.api.mergeQueue.approve({ params: { merge_request_id: id } });
    expect((await waitForRequest(owner, id)).status).toBe("merged");
  });

  test("an agent without a task gets no opinion, so that its merge waits", async () => {
    const { workspace } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, workspace, { "b.txt": "mine\n" });
    const { id } = await merge(workspace.agent_id);
    await until(id, {
      status: "waiting_for_approval",
      reason: "main requires second opinions, which only the changes of tasks get.",
    });
    await protect({});
    expect((await waitForRequest(owner, id)).status).toBe("merged");
  });
});
