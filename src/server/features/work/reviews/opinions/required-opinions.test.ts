/** Second opinions that a protected branch requires. */
import { systemRoleIds } from "#server/db/migrate.js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { MergeRequest } from "#shared/api/code/merge-requests.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Opinion } from "#shared/api/work/opinions.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { waitForRequest } from "#test/support/fixtures/merge-requests.js";
import { makeServiceAccount } from "#test/support/fixtures/service-accounts.js";
import { makeReviewedTask, type ReviewedTask } from "#test/support/fixtures/reviewed-task.js";
import {
  addModelKey,
  answering,
  installReviewers,
  type Reviewers,
  waitForOpinion,
} from "#test/support/fixtures/reviewers.js";

const fine = answering({ verdict: "comment", body: "Nothing is wrong." });
const changes = answering({
  verdict: "request_changes",
  body: "One line is wrong.",
  comments: [{ path: "a.txt", line: 2, body: "Why twice?" }],
});

describe("required second opinions", () => {
  let app: TestApp;
  let owner: TestPerson;
  let reviewers: Reviewers;
  let project: Project;
  let made: ReviewedTask;
  beforeAll(async () => {
    reviewers = await installReviewers();
    app = await startTestApp({ OMOI_SANDBOX_READONLY: reviewers.folder }, "real");
    owner = await app.person("Ada");
  });
  afterAll(async () => {
    await app?.close();
    await reviewers.remove();
  });
  beforeEach(async () => {
    await reviewers.script(fine);
    const { id } = await makeOrganization(owner);
    await addModelKey(owner, id);
    project = await makeProjectWith(owner, id, { "a.txt": "a\nb\n", "b.txt": "b\n" });
    await protect({ reviews: [{ preset: "claude-code" }] });
    made = await makeReviewedTask(app, owner, project.id, { "a.txt": "a\nb b\n" });
  });

  const protect = async (rules: object): Promise<void> => {
    const body = { protected_branches: [{ pattern: "main", ...rules }] };
    await owner.api.projects.update({ params: { project_id: project.id }, body });
  };
  const merge = async (agent_id = made.workspace.agent_id): Promise<MergeRequest> =>
    (await owner.api.workspaces.createMerge({ params: { agent_id }, body: { queue: true } })).data;
  const opinions = async (): Promise<Opinion[]> =>
    (await owner.api.opinions.list({ params: { task_id: made.task.id } })).data;
  const read = async (id: string): Promise<MergeRequest> =>
    (await owner.api.mergeQueue.get({ params: { merge_request_id: id } })).data;
  const until = async (id: string, expected: Partial<MergeRequest>): Promise<void> => {
    await expect.poll(() => read(id), { interval: 100 }).toMatchObject(expected);
  };
  const blocked = {
    status: "waiting_for_approval",
    reason:
      "Claude Code requests changes; resolve its thread, or dismiss its opinion with a reason.",
  } as const;

  test("a merge waits for the opinion, and lands once it has none against it", async () => {
    await expectProblem(
      owner.api.workspaces.createMerge({
        params: { agent_id: made.workspace.agent_id },
        body: {},
      }),
      409,
      "branch_protected",
    );
    const { id } = await merge();
    expect(await waitForRequest(owner, id)).toMatchObject({ status: "merged", approvals: [] });
    expect(await opinions()).toMatchObject([
      { required: true, requested_by: null, status: "done", verdict: "comment", prompt: "" },
    ]);
  });

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

  test("a person dismisses one with a reason, and a service account does not", async () => {
    await reviewers.script(changes);
    const { id } = await merge();
    await until(id, blocked);
    const [opinion] = await opinions();
    const params = { opinion_id: opinion?.id as string };
    await expectProblem(
      owner.api.opinions.dismiss({ params, body: { reason: " " } }),
      422,
      "validation_failed",
    );
    const { api } = await makeServiceAccount(app, owner, project.organization_id);
    await expectProblem(
      api.opinions.dismiss({ params, body: { reason: "I say so." } }),
      403,
      "insufficient_permission",
    );
    await owner.api.opinions.dismiss({ params, body: { reason: "It is right." } });
    expect((await waitForRequest(owner, id)).status).toBe("merged");
    const { data: events } = await owner.api.audit.list({
      params: { org_id: project.organization_id },
      query: { action: "opinion.dismissed" },
    });
    expect(events).toMatchObject([{ changes: { reason: { to: "It is right." } } }]);
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

  test("rules name each opinion once, and programs that review", async () => {
    const set = (reviews: object[]) => () =>
      owner.api.projects.update({
        params: { project_id: project.id },
        body: { protected_branches: [{ pattern: "main", reviews: reviews as never }] },
      });
    const twice = [{ preset: "codex" }, { preset: "codex", prompt: "" }];
    for (const refused of [
      set(twice),
      set([{ preset: "custom" }]),
      set([{ preset: "codex", prompt: "x".repeat(4097) }]),
      set(Array.from({ length: 6 }, (_, at) => ({ preset: "codex", prompt: `${at}` }))),
    ]) {
      await expectProblem(refused(), 422, "validation_failed");
    }
    const { data } = await set([{ preset: "codex" }, { preset: "codex", prompt: "Names" }])();
    expect(data.protected_branches[0]?.reviews).toEqual([
      { preset: "codex", prompt: "" },
      { preset: "codex", prompt: "Names" },
    ]);
  });
});
