/** Second opinions: asked for by people, and written by programs in runs of their own. */
import { systemRoleIds } from "#server/db/migrate.js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { NewOpinion, Opinion } from "#shared/api/work/opinions.js";
import { MAX_OPEN_OPINIONS } from "#shared/api/work/opinions.js";
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
} from "#test/support/fixtures/factories.js";
import { makeReviewedTask, type ReviewedTask } from "#test/support/fixtures/reviewed-task.js";
import {
  addModelKey,
  answering,
  installReviewers,
  type Reviewers,
  waitForOpinion,
} from "#test/support/fixtures/reviewers.js";
import { waitForRun, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { gitInRepository } from "#test/support/git/git.js";

const request = {
  verdict: "request_changes",
  body: "One line is wrong.",
  comments: [{ path: "a.txt", line: 2, body: "Why twice?", suggestion: "b" }],
};

describe("second opinions", () => {
  let app: TestApp;
  let owner: TestPerson;
  let reviewers: Reviewers;
  let project: Project;
  let made: ReviewedTask;
  beforeAll(async () => {
    reviewers = await installReviewers();
    app = await startTestApp(
      { OMOI_SANDBOX_READONLY: reviewers.folder, OMOI_RUN_STOP_GRACE_SECONDS: "1" },
      "real",
    );
    owner = await app.person("Ada");
  });
  afterAll(async () => {
    await app?.close();
    await reviewers.remove();
  });
  beforeEach(async () => {
    await reviewers.script(answering({ verdict: "comment", body: "Nothing is wrong." }));
    const { id } = await makeOrganization(owner);
    await addModelKey(owner, id);
    project = await makeProjectWith(owner, id, { "a.txt": "a\nb\n" });
    made = await makeReviewedTask(app, owner, project.id, { "a.txt": "a\nb b\n" });
  });

  const params = () => ({ task_id: made.task.id });
  const ask = async (more: Partial<NewOpinion> = {}, as = owner): Promise<Opinion> => {
    const body = { preset: "claude-code" as const, ...more };
    return (await as.api.opinions.ask({ params: params(), body })).data;
  };
  const asked = async (more: Partial<NewOpinion> = {}): Promise<Opinion> =>
    waitForOpinion(owner, (await ask(more)).id);
  const listed = async (): Promise<Opinion[]> =>
    (await owner.api.opinions.list({ params: params() })).data;
  const threads = async () => (await owner.api.threads.list({ params: params() })).data;
  const results = async (opinion: Opinion): Promise<unknown> => {
    const run = await waitForRunEnd(owner, opinion.run_id as string);
    return JSON.parse(run.result ?? "null") as unknown;
  };

  test("a reviewer comments on lines as itself, and approves nothing", async () => {
    await reviewers.script(answering(request));
    const asking = await ask({ prompt: "Look at the second line", model: "opus" });
    expect(asking).toMatchObject({
      status: "queued",
      title: "Claude Code",
      model: "opus",
      required: false,
      current: true,
      commit_sha: made.head,
      requested_by: { name: "Ada" },
    });
    const opinion = await waitForOpinion(owner, asking.id);
    expect(opinion).toMatchObject({
      status: "done",
      verdict: "request_changes",
      summary: "One line is wrong.",
      open_threads: 1,
      blocks:
        "Claude Code requests changes; resolve its thread, or dismiss its opinion with a reason.",
    });
    const { data: reviews } = await owner.api.reviews.list({ params: params() });
    expect(reviews).toMatchObject([
      {
        id: opinion.review_id,
        opinion_id: opinion.id,
        author: { type: "agent", id: opinion.id, name: "Claude Code" },
        verdict: "request_changes",
        body: "One line is wrong.",
        counts: false,
        prompt: null,
      },
    ]);
    expect(await threads()).toMatchObject([
      {
        path: "a.txt",
        line: 2,
        outdated: false,
        original: { text: "b b" },
        suggestion: { text: "b", state: "open" },
        comments: [{ author: { name: "Claude Code", type: "agent" }, body: "Why twice?" }],
      },
    ]);
    const run = await waitForRunEnd(owner, opinion.run_id as string);
    expect(run).toMatchObject({
      kind: "review",
      agent_id: made.workspace.agent_id,
      network: "restricted",
      allowed_hosts: [],
      started_by: { name: "Ada" },
    });
    expect(run.prompt).toContain("Look at the second line");
    expect(run.prompt).toContain("+b b");
    const { data: runs } = await owner.api.runs.list({
      params: { agent_id: made.workspace.agent_id },
    });
    expect(runs).toEqual([]);
    const { data: changes } = await owner.api.reviews.changes({ params: params() });
    expect(changes.approval).toMatchObject({ given: 0, open_threads: 1 });
  });

  test("an approval, a place that does not exist and a fence are read as a comment", async () => {
    const comments = [
      { path: "a.txt", line: 99, body: "Too far." },
      { path: "no.txt", line: 3, body: "No file." },
      { path: "a.txt", line: "x", body: "A file.\u001b[2J" },
      { path: "a.txt" },
    ];
    const message = JSON.stringify({ verdict: "approve", body: "Fine.", comments });
    await reviewers.script(
      `return "Here it is:\\n\`\`\`json\\n" + ${JSON.stringify(message)} + "\\n\`\`\`";`,
    );
    expect(await asked()).toMatchObject({ status: "done", verdict: "comment", blocks: null });
    const found = await threads();
    expect(found.map(({ path, line, comments: [first] }) => [path, line, first?.body])).toEqual([
      ["a.txt", null, "Line 99: Too far."],
      ["a.txt", null, "no.txt:3: No file."],
      ["a.txt", null, "A file.[2J"],
    ]);
    const { data } = await owner.api.reviews.changes({ params: params() });
    expect(data.approval.given).toBe(0);
  });

  test("a failed reviewer says why, and is tried again", async () => {
    await reviewers.script("process.exit(3);");
    const failed = await asked();
    expect(failed).toMatchObject({
      status: "failed",
      detail: "Its command exited with code 3.",
      blocks:
        "The second opinion of Claude Code has failed; retry it, or dismiss it with a reason.",
    });
    await reviewers.script("return 'I have no opinion.';");
    const opinion = { opinion_id: failed.id };
    await owner.api.opinions.retry({ params: opinion });
    expect(await waitForOpinion(owner, failed.id)).toMatchObject({
      status: "failed",
      detail: "It ended with a message that is no review: I have no opinion.",
    });
    await reviewers.script(answering({ verdict: "comment", body: "Fine." }));
    expect((await owner.api.opinions.retry({ params: opinion })).data).toMatchObject({
      status: "queued",
      detail: null,
      ended_at: null,
    });
    expect(await waitForOpinion(owner, failed.id)).toMatchObject({ status: "done" });
    await expectProblem(owner.api.opinions.retry({ params: opinion }), 409, "opinion_open");
    await expectProblem(owner.api.opinions.cancel({ params: opinion }), 409, "opinion_ended");
    expect(await listed()).toHaveLength(1);
  });

  test("a reviewer reads the change, publishes once, and does nothing else", async () => {
    await reviewers.script(`
      const { OMOI_TASK_ID: task, OMOI_OPINION_ID: own } = process.env;
      const fs = require("node:fs");
      const seen = {};
      const note = async (name, doing) => { const { status, code } = await doing; seen[name] = code ?? status; };
      const written = (path) => { try { fs.writeFileSync(path, "x"); return "written"; } catch (error) { return error.code; } };
      const changes = (await call("GET", "/api/v1/tasks/" + task + "/changes")).data;
      seen.files = changes.files.map(({ path }) => path);
      seen.write = [written("a.txt"), written("new.txt")];
      seen.git = fs.existsSync(".git");
      const agent = ${JSON.stringify(made.workspace.agent_id)};
      const project = ${JSON.stringify(project.id)};
      await note("task", call("GET", "/api/v1/tasks/" + task));
      await note("agent", call("GET", "/api/v1/agents/" + agent));
      await note("project", call("GET", "/api/v1/projects/" + project));
      await note("merge", call("POST", "/api/v1/agents/" + agent + "/workspace/merges", { queue: true }));
      await note("merge_task", call("POST", "/api/v1/tasks/" + task + "/merge"));
      await note("prompt", call("POST", "/api/v1/tasks/" + task + "/prompts", { text: "Obey." }));
      await note("ask", call("POST", "/api/v1/tasks/" + task + "/opinions", { preset: "claude-code" }));
      await note("approve", call("POST", "/api/v1/tasks/" + task + "/reviews",
        { verdict: "approve", commit_sha: changes.commit_sha }));
      await note("dismiss", call("POST", "/api/v1/opinions/" + own + "/dismiss", { reason: "Mine." }));
      const publish = (body) => call("POST", "/api/v1/opinions/" + own + "/review", body);
      const comment = { path: "a.txt", line: 2, body: "Why?" };
      await note("approves", publish({ verdict: "approve", body: "Fine." }));
      await note("many", publish({ verdict: "comment", body: "", comments: Array(5000).fill(comment) }));
      await note("place", publish({ verdict: "comment", body: "", comments: [{ ...comment, line: 9 }] }));
      await note("empty", publish({ verdict: "request_changes", body: "All of it." }));
      await note("first", publish({ verdict: "comment", body: "Once.", comments: [comment] }));
      await note("second", publish({ verdict: "comment", body: "Twice.", comments: [comment] }));
      const [thread] = (await call("GET", "/api/v1/tasks/" + task + "/threads")).data;
      await note("reply", call("POST", "/api/v1/threads/" + thread.id + "/replies", { body: "More." }));
      await note("resolve", call("PATCH", "/api/v1/threads/" + thread.id, { resolved: true }));
      const secrets = Object.keys(process.env).filter((name) => name.startsWith("SECRET"));
      return JSON.stringify({ ...seen, secrets });`);
    await owner.api.organizationSecrets.set({
      params: { org_id: project.organization_id, name: "SECRET_OF_DEPLOYMENT" },
      body: { kind: "variable", value: "a secret of the organization" },
    });
    const opinion = await asked();
    expect(opinion).toMatchObject({ status: "done", verdict: "comment" });
    expect(await results(opinion)).toEqual({
      files: ["a.txt"],
      write: ["EROFS", "EROFS"],
      git: false,
      task: 200,
      agent: "not_found",
      project: "insufficient_permission",
      merge: "not_found",
      merge_task: "insufficient_permission",
      prompt: "insufficient_permission",
      ask: "insufficient_permission",
      approve: "insufficient_permission",
      dismiss: "insufficient_permission",
      approves: "validation_failed",
      many: "validation_failed",
      place: "validation_failed",
      empty: "validation_failed",
      first: 200,
      second: "opinion_ended",
      reply: "insufficient_permission",
      resolve: "insufficient_permission",
      secrets: [],
    });
    expect(await threads()).toMatchObject([{ resolved_at: null, comments: [{ body: "Why?" }] }]);
    expect(await gitInRepository(app, project, "rev-parse", made.workspace.branch_name)).toBe(
      made.head,
    );
  });

  test("one that is canceled ends its run, and publishes nothing", async () => {
    await reviewers.script(
      `await new Promise((resolve) => setTimeout(resolve, 60_000)); ${answering(request)}`,
    );
    const { id } = await ask();
    const get = async () => (await owner.api.opinions.get({ params: { opinion_id: id } })).data;
    await expect.poll(get).toMatchObject({ status: "running" });
    const { run_id } = await get();
    await waitForRun(owner, run_id as string, ({ status }) => status === "running");
    await expectProblem(
      owner.api.runs.stop({ params: { run_id: run_id as string } }),
      409,
      "run_managed",
    );
    const dismissal = { params: { opinion_id: id }, body: { reason: "No." } };
    await expectProblem(owner.api.opinions.dismiss(dismissal), 409, "opinion_open");
    const { data } = await owner.api.opinions.cancel({ params: { opinion_id: id } });
    expect(data).toMatchObject({ status: "cancelled", detail: "It was canceled." });
    expect(await waitForRunEnd(owner, run_id as string)).toMatchObject({ status: "stopped" });
    expect(await get()).toMatchObject({ status: "cancelled", review_id: null });
    expect((await owner.api.opinions.dismiss(dismissal)).data).toMatchObject({
      blocks: null,
      dismissed: { by: { name: "Ada" }, reason: "No." },
    });
  });

  test("each refusal says why", async () => {
    await expectProblem(ask({ preset: "codex" }), 409, "program_missing");
    await expectProblem(ask({ preset: "gemini" as never }), 422, "validation_failed");
    await expectProblem(ask({ prompt: "x".repeat(4097) }), 422, "validation_failed");
    const keyless = await makeOrganization(owner);
    const elsewhere = await makeProjectWith(owner, keyless.id, { "a.txt": "a\n" });
    const other = await makeReviewedTask(app, owner, elsewhere.id, { "a.txt": "b\n" });
    const body = { preset: "claude-code" as const };
    const missing = owner.api.opinions.ask({ params: { task_id: other.task.id }, body });
    expect(await expectProblem(missing, 409, "missing_model_key")).toMatchObject({
      secret: "ANTHROPIC_API_KEY",
    });
    const unchanged = await makeReviewedTask(app, owner, project.id, { "a.txt": "a\nb b\n" });
    await commitFiles(owner, unchanged.workspace, { "a.txt": "a\nb\n" });
    await expectProblem(
      owner.api.opinions.ask({ params: { task_id: unchanged.task.id }, body }),
      409,
      "nothing_to_review",
    );
    const { data: empty } = await owner.api.tasks.create({
      params: { project_id: project.id },
      body: { body: "Later", start: false },
    });
    await expectProblem(
      owner.api.opinions.ask({ params: { task_id: empty.id }, body }),
      409,
      "no_attempt",
    );
    await owner.api.tasks.update({ params: params(), body: { status: "done" } });
    await expectProblem(ask(), 409, "task_finished");
  });

  test("other organizations and viewers neither ask nor see", async () => {
    const opinion = await asked();
    const stranger = await app.person("Eve");
    await makeOrganization(stranger);
    const viewer = await app.person("Vera");
    await owner.api.members.add({
      params: { org_id: project.organization_id },
      body: { user_id: viewer.id, role_id: systemRoleIds.viewer },
    });
    const own = { params: { opinion_id: opinion.id } };
    const review = { ...own, body: { verdict: "comment" as const, body: "Mine." } };
    const dismissal = { ...own, body: { reason: "No." } };
    const calls = (as: TestPerson) => [
      () => ask({}, as),
      () => as.api.opinions.retry(own),
      () => as.api.opinions.cancel(own),
      () => as.api.opinions.dismiss(dismissal),
      () => as.api.opinions.publish(review),
    ];
    for (const call of calls(stranger)) await expectProblem(call(), 404, "not_found");
    await expectProblem(stranger.api.opinions.list({ params: params() }), 404, "not_found");
    await expectProblem(stranger.api.opinions.get(own), 404, "not_found");
    for (const call of calls(viewer)) {
      await expectProblem(call(), 403, "insufficient_permission");
    }
    expect((await viewer.api.opinions.get(own)).data.id).toBe(opinion.id);
    await expectProblem(owner.api.opinions.publish(review), 403, "insufficient_permission");
  });

  test("a task has few open opinions, which wait for a slot of their organization", async () => {
    await owner.api.organizations.update({
      params: { org_id: project.organization_id },
      body: { max_concurrent_agents: 1 },
    });
    await reviewers.script(
      `await new Promise((resolve) => setTimeout(resolve, 3000)); ${answering(request)}`,
    );
    const ids: string[] = [];
    for (let nth = 0; nth < MAX_OPEN_OPINIONS; nth += 1) ids.push((await ask()).id);
    await expectProblem(ask(), 409, "too_many_opinions");
    await expect
      .poll(async () => (await listed()).filter(({ status }) => status === "running").length)
      .toBe(1);
    const states = (await listed()).map(({ status }) => status);
    expect(states.filter((status) => status === "queued").length).toBeGreaterThanOrEqual(3);
    for (const opinion_id of ids.slice(1)) {
      await owner.api.opinions.cancel({ params: { opinion_id } });
    }
    expect(await waitForOpinion(owner, ids[0] as string)).toMatchObject({ status: "done" });
  });

  test("an opinion is about the commit that it was asked for", async () => {
    const opinion = await asked();
    expect(opinion.current).toBe(true);
    await commitFiles(owner, made.workspace, { "a.txt": "a\nc\n" });
    expect(await listed()).toMatchObject([{ current: false, commit_sha: made.head }]);
  });
});
