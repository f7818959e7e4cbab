import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { PullRequest } from "#shared/api/work/pull-requests.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { runGit } from "#test/support/git/git.js";
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
const taskOf = async (id: string) => (await owner.api.tasks.get({ params: { task_id: id } })).data;
const requestOf = async ({ id }: PullRequest) =>
  (await owner.api.pullRequests.get({ params: { pull_request_id: id } })).data;
const threadsOf = async (id: string) =>
  (await owner.api.threads.list({ params: { task_id: id } })).data;

describe.each(["github", "gitlab", "gitea"] as const)("a branch on %s", (kind) => {
  test("that a person rebased becomes a new attempt, and threads move along", async () => {
    world = await makeLinkedProject(owner, kind, "webhook");
    const { taskId: id, request, pull } = await openRequest(owner, world, "write total.ts one two");
    const { shop } = world;
    const before = request.head_sha ?? "";
    await owner.api.reviews.publish({
      params: { task_id: id },
      body: {
        verdict: "comment",
        commit_sha: before,
        comments: [{ path: "total.ts", line: 2, body: "Why two?" }],
      },
    });
    await expect.poll(() => pull.threads.length, slowly).toBe(1);
    await shop.commit("main", { "main.txt": "theirs\n" });
    const rebased = await shop.rebase(request.head);

    await expect
      .poll(async () => (await taskOf(id)).attempts.map(({ status }) => status), slowly)
      .toEqual(["archived", "ready"]);
    const task = await taskOf(id);
    const [former, next] = task.attempts;
    expect(task.status).toBe("in_review");
    expect(next).toMatchObject({ head_commit: rebased, session_id: null, preset: "custom" });
    expect(next?.changes).toEqual({ files: 1, added: 2, removed: 0 });
    expect(former?.head_commit).toBe(before);
    expect(await requestOf(request)).toMatchObject({ error: null, auto_update: true });
    expect(await threadsOf(id)).toMatchObject([
      { attempt_id: former?.id, path: "total.ts", line: 2, outdated: false },
    ]);
    const { data: log } = await owner.api.audit.list({ params: { org_id: world.orgId } });
    expect(log.map(({ action }) => action)).toContain("pull_request.rewritten");

    const [thread] = await threadsOf(id);
    await owner.api.threads.reply({
      params: { thread_id: thread?.id ?? "" },
      body: { body: "Still." },
    });
    await expect
      .poll(() => pull.threads[0]?.comments.map(({ body }) => body).join(), slowly)
      .toContain("Still.");
    await owner.api.tasks.prompt({ params: { task_id: id }, body: { text: "And three." } });
    await expect.poll(() => shop.sha(request.head), slowly).not.toBe(rebased);
    const tip = (await shop.sha(request.head)) ?? "";
    const { code } = await runGit(["merge-base", "--is-ancestor", rebased, tip], {
      cwd: shop.folder,
    });
    expect(code).toBe(0);
    expect((await taskOf(id)).attempts).toHaveLength(2);

    await shop.merge(pull, "squash");
    await expect.poll(async () => (await taskOf(id)).status, slowly).toBe("done");
  });
});

describe("a branch", () => {
  test("with further commits of a person is taken over by its workspace", async () => {
    world = await makeLinkedProject(owner, "gitea", "webhook");
    const { taskId: id, request } = await openRequest(owner, world, "write total.ts one two");
    const { shop } = world;
    const theirs = await shop.commit(request.head, { "theirs.txt": "mine\n" });
    await expect
      .poll(async () => (await taskOf(id)).attempts.map((one) => one.head_commit), slowly)
      .toEqual([theirs]);
    const [attempt] = (await taskOf(id)).attempts;
    expect(attempt?.changes?.files).toBe(2);
    await owner.api.tasks.prompt({
      params: { task_id: id },
      body: { text: "write more.txt three" },
    });
    await expect.poll(() => shop.files(request.head), slowly).toContain("more.txt");
    expect(await shop.files(request.head)).toContain("theirs.txt");
    expect((await requestOf(request)).error).toBeNull();
  });
});
