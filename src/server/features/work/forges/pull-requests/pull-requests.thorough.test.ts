import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Forge } from "#shared/api/work/forges.js";
import type { NewPullRequest, PullRequest } from "#shared/api/work/pull-requests.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { insertSession } from "#test/support/database/insert-session.js";
import { insertTask } from "#test/support/database/insert-task.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { commitFiles, makeOrganization, makeWorkspace } from "#test/support/fixtures/factories.js";
import { waitUntilIdle, waitUntilReady } from "#test/support/fixtures/projects.js";
import { git } from "#test/support/git/git.js";
import type { ForgeDouble } from "#test/support/forges/forge-double.js";
import { startGitea } from "#test/support/forges/gitea/gitea-double.js";
import { startGithub } from "#test/support/forges/github/github-double.js";
import { startGitlab } from "#test/support/forges/gitlab/gitlab-double.js";
import type { DoublePull } from "#test/support/forges/records.js";
import type { DoubleRepository } from "#test/support/forges/repository.js";

const token = "a-token-of-the-forge-0123456789";
const starts = { github: startGithub, gitlab: startGitlab, gitea: startGitea } as const;
type Kind = keyof typeof starts;

let app: TestApp;
let owner: TestPerson;
let orgId: string;
let double: ForgeDouble;
let shop: DoubleRepository;
let forge: Forge;
let project: Project;
beforeAll(async () => {
  app = await startTestApp({ OMOI_FORGE_PRIVATE_HOSTS: "true", OMOI_LOG_LEVEL: "error" });
  owner = await app.person("Ada");
});
afterAll(() => app.close());
afterEach(async () => {
  expect(double.violations).toEqual([]);
  await double.close();
});

async function link(kind: Kind): Promise<void> {
  orgId = (await makeOrganization(owner)).id;
  double = await starts[kind]();
  double.tokens.set(token, { login: "lead", reach: null });
  shop = await double.addRepository("acme/shop", { "a.txt": "a\n" });
  const { data } = await owner.api.forges.create({
    params: { org_id: orgId },
    body: { kind, url: double.url, api_url: double.apiUrl, token },
  });
  forge = data;
  const body = {
    organization_id: orgId,
    name: "Shop",
    forge_id: forge.id,
    repository: "acme/shop",
  };
  const { data: made } = await owner.api.projects.create({ body });
  project = await waitUntilReady(owner, made.id);
}

/** A task whose agent has changed a file and ended its turn. */
async function taskWithWork(
  words = "Rounded half cents.",
): Promise<{ id: string; workspace: Workspace }> {
  const { agent, workspace } = await makeWorkspace(owner, project.id);
  await commitFiles(owner, workspace, { "total.ts": "round\n" });
  const sessionId = randomUUID();
  await insertSession(app, sessionId, agent.id);
  const id = await insertTask(app, {
    ownerId: owner.id,
    title: "Round half cents",
    agentIds: [agent.id],
    sessionId,
    status: "open",
  });
  await queryAsOwner(app, "update tasks set created_by = $2 where id = $1", [
    id,
    { type: "user", id: owner.id, name: "Ada" },
  ]);
  await queryAsOwner(
    app,
    `update agent_sessions set turn_started_at = now() - interval '1 minute', turn_ended_at = now(),
       turn_message = $2 where id = $1`,
    [sessionId, words],
  );
  return { id, workspace };
}

const open = async (taskId: string, body: NewPullRequest = {}): Promise<PullRequest> =>
  (await owner.api.pullRequests.open({ params: { task_id: taskId }, body })).data;
const taskOf = async (id: string) => (await owner.api.tasks.get({ params: { task_id: id } })).data;
const at = ({ id }: PullRequest) => ({ params: { pull_request_id: id } });
const refresh = async (request: PullRequest) =>
  (await owner.api.pullRequests.refresh(at(request))).data;
const there = (): DoublePull => shop.pulls[0] as DoublePull;

describe.each(["github", "gitlab", "gitea"] as const)("a pull request on %s", (kind) => {
  beforeEach(() => link(kind));

  test("is opened with the work of a task, once, and shows what the forge says", async () => {
    const { id } = await taskWithWork("Done, @lead may look.\n/merge");
    expect((await taskOf(id)).actions.open_pull_request).toEqual({ allowed: true, reason: null });
    const request = await open(id, { labels: ["bug"] });
    const task = await taskOf(id);
    expect(request).toMatchObject({
      task_id: id,
      task_number: task.number,
      forge_id: forge.id,
      repository: "acme/shop",
      number: 1,
      title: "Round half cents",
      state: "open",
      head: `omoi/${task.number}-round-half-cents`,
      base: "main",
      mergeable: true,
      review_decision: null,
      checks: [],
      error: null,
    });
    expect(request.head_sha).toBe(task.attempts[0]?.head_commit);
    expect(await shop.sha(request.head)).toBe(request.head_sha);
    expect(there().labels).toEqual(["bug"]);
    expect(there().body).toContain(`/tasks/${id})`);
    expect(there().body).not.toContain("@lead");
    expect(there().body).not.toMatch(/^\/merge/m);
    expect(task.pull_request).toMatchObject({ id: request.id, number: 1, state: "open" });

    const again = await open(id, { title: "Round half cents to even", body: "As @lead said." });
    expect(again.id).toBe(request.id);
    expect(again.title).toBe("Round half cents to even");
    expect(shop.pulls).toHaveLength(1);
    expect(there().body).toBe("As @lead said.");

    const sha = request.head_sha ?? "";
    shop.checks.set(sha, [{ name: "build", status: "failure", url: "https://ci.example.com/1" }]);
    there().reviews.push({ login: "lead", state: "APPROVED" });
    shop.comment(there(), "lead", "Nice.");
    shop.comment(there(), "lead", "Done?");
    expect(await refresh(request)).toMatchObject({
      review_decision: "approved",
      checks: [{ name: "build", status: "failure", url: "https://ci.example.com/1" }],
      comments: 2,
    });
    const { data: listed } = await owner.api.pullRequests.list({
      params: { project_id: project.id },
      query: { state: "open" },
    });
    expect(listed.map((one) => one.id)).toEqual([request.id]);
  });

  test("is merged there by squash, and the task is done with its base branch fetched", async () => {
    const { id } = await taskWithWork();
    const request = await open(id);
    const merged = await shop.merge(there(), "squash");
    const seen = await refresh(request);
    expect(seen).toMatchObject({ state: "merged", merged_sha: merged });
    await expect.poll(async () => (await taskOf(id)).status).toBe("done");
    const [attempt] = (await taskOf(id)).attempts;
    expect(attempt?.status).toBe("merged");
    const at_ = { agent_id: attempt?.agent_id ?? "" };
    // The task is done once the merge is recorded.
    await expect
      .poll(async () => (await owner.api.workspaces.get({ params: at_ })).data.status)
      .toBe("archived");
    const { data: merges } = await owner.api.workspaces.merges({ params: at_ });
    expect(merges).toMatchObject([
      { kind: "merge", target_branch: "main", merge_commit_sha: merged, subject: request.title },
    ]);
    const { data: branches } = await owner.api.projects.branches({
      params: { project_id: project.id },
    });
    // The branches of requests are not fetched back.
    expect(branches.map(({ name }) => name).filter((name) => name.startsWith("omoi/"))).toEqual([]);
    expect(branches.find(({ name }) => name === "main")?.commit_sha).toBe(merged);
    const { data: log } = await owner.api.audit.list({ params: { org_id: orgId } });
    expect(log.map(({ action }) => action)).toEqual(
      expect.arrayContaining(["pull_request.opened", "pull_request.merged"]),
    );
  });

  test("is a draft that is made ready, and merged from here", async () => {
    const { id } = await taskWithWork();
    const request = await open(id, { draft: true });
    expect(request).toMatchObject({ state: "draft", title: "Round half cents" });
    await expectProblem(owner.api.pullRequests.merge(at(request)), 422, "forge_refused");
    const { data: ready } = await owner.api.pullRequests.ready(at(request));
    expect(ready).toMatchObject({ state: "open", title: "Round half cents" });
    const { data: merged } = await owner.api.pullRequests.merge({
      ...at(request),
      body: { method: "squash" },
    });
    expect(merged).toMatchObject({ state: "merged", merged_sha: there().mergedSha });
    await expect.poll(async () => (await taskOf(id)).status).toBe("done");
    await expectProblem(owner.api.pullRequests.close(at(request)), 409, "pull_request_closed");
  });

  test("gets further commits, but never over those of others", async () => {
    const { id, workspace } = await taskWithWork();
    const request = await open(id);
    await commitFiles(owner, workspace, { "total.ts": "round to even\n" });
    const newest = (await taskOf(id)).attempts[0]?.head_commit;
    await expect.poll(() => shop.sha(request.head)).toBe(newest);

    const theirs = await shop.commit(request.head, { "theirs.txt": "mine\n" });
    await commitFiles(owner, workspace, { "total.ts": "again\n" });
    await expect
      .poll(async () => (await owner.api.pullRequests.get(at(request))).data.error)
      .toContain("other commits on the forge");
    expect(await shop.sha(request.head)).toBe(theirs);
    expect((await owner.api.pullRequests.get(at(request))).data.auto_update).toBe(false);
  });

  test("is closed from here, and opened again as another one", async () => {
    const { id } = await taskWithWork();
    const request = await open(id);
    const { data: closed } = await owner.api.pullRequests.close(at(request));
    expect(closed.state).toBe("closed");
    const another = await open(id);
    expect(another).toMatchObject({ number: 2, state: "open" });
    expect((await taskOf(id)).pull_request?.id).toBe(another.id);
  });
});

describe("a pull request", () => {
  beforeEach(() => link("github"));

  test("that another process has opened before its end is found, and not opened again", async () => {
    const { id } = await taskWithWork();
    // The forge does what it is asked, and its answer is lost.
    double.fault = (request) => {
      if (request.method !== "POST" || !request.path.endsWith("/pulls")) return null;
      const { title, body, head, base } = request.body as unknown as DoublePull;
      void shop.open({ title, body, head, base, draft: false });
      return { status: 502, body: { message: "Bad gateway" } };
    };
    await expectProblem(
      owner.api.pullRequests.open({ params: { task_id: id }, body: {} }),
      422,
      "forge_unreachable",
    );
    expect((await taskOf(id)).pull_request).toMatchObject({ state: "opening", number: null });
    double.fault = () => null;
    const request = await open(id);
    expect(request).toMatchObject({ state: "open", number: 1 });
    expect(shop.pulls).toHaveLength(1);
  });

  test("of two requests at once is opened once", async () => {
    const { id } = await taskWithWork();
    const [one, other] = await Promise.all([open(id), open(id)]);
    expect(one.id).toBe(other.id);
    expect(shop.pulls).toHaveLength(1);
  });

  test("needs a link, work, and an agent at rest", async () => {
    const { agent } = await makeWorkspace(owner, project.id);
    const idle = await insertTask(app, { ownerId: owner.id, agentIds: [agent.id], status: "open" });
    await expectProblem(
      owner.api.pullRequests.open({ params: { task_id: idle }, body: {} }),
      409,
      "run_in_progress",
    );
    const { id } = await taskWithWork();
    await expectProblem(
      owner.api.pullRequests.open({ params: { task_id: id }, body: { base: "gone" } }),
      422,
      "forge_refused",
    );
    await owner.api.forges.delete({
      params: { org_id: orgId, forge_id: forge.id },
      query: { unlink: "true" },
    });
    const task = await taskOf(id);
    expect(task.actions.open_pull_request.allowed).toBe(false);
    await expectProblem(
      owner.api.pullRequests.open({ params: { task_id: id }, body: {} }),
      409,
      "no_repository",
    );
  });

  test("whose branch is deleted there while its agent works, and is closed there, is opened again with all work", async () => {
    const { id, workspace } = await taskWithWork();
    const request = await open(id);
    await git(["update-ref", "-d", `refs/heads/${request.head}`], { cwd: shop.folder });
    await commitFiles(owner, workspace, { "total.ts": "round to even\n" });
    await expect
      .poll(async () => (await owner.api.pullRequests.get(at(request))).data.error)
      .toContain("was deleted or has other commits");
    expect(await shop.sha(request.head)).toBeNull();
    await shop.close(there());
    expect((await refresh(request)).state).toBe("closed");
    const task = await taskOf(id);
    expect(task.status).not.toBe("done");
    expect(task.actions.open_pull_request.allowed).toBe(true);
    const another = await open(id);
    expect(another).toMatchObject({ state: "open", number: 2, error: null });
    expect(await shop.sha(another.head)).toBe(task.attempts[0]?.head_commit);
  });

  test("is not merged around the rules of its base branch here", async () => {
    await owner.api.projects.update({
      params: { project_id: project.id },
      body: { protected_branches: [{ pattern: "main", approvals: 1 }] },
    });
    const { id } = await taskWithWork();
    const request = await open(id);
    await expectProblem(owner.api.pullRequests.merge(at(request)), 409, "branch_protected");
    expect(there().state).toBe("open");
  });

  test("is recognized as merged by a rebase, too", async () => {
    const { id, workspace } = await taskWithWork();
    await commitFiles(owner, workspace, { "total.ts": "round to even\n" });
    const request = await open(id);
    const before = await shop.sha("main");
    const tip = await shop.merge(there(), "rebase");
    expect((await refresh(request)).merged_sha).toBe(tip);
    await expect.poll(async () => (await taskOf(id)).status).toBe("done");
    expect(await git(["rev-list", "--count", "main"], { cwd: shop.folder })).not.toBe("1");
    const [row] = await queryAsOwner(
      app,
      "select merge_commit, target_commit, by_forge from merges where id = $1",
      [request.id],
    );
    expect(row).toEqual({ merge_commit: tip, target_commit: before, by_forge: true });
  });
});

describe("templates of a project", () => {
  beforeEach(() => link("github"));
  const put = (templates: object) =>
    owner.api.upstreams.linkRepository({
      params: { project_id: project.id },
      body: { forge_id: forge.id, repository: "acme/shop", ...templates },
    });

  test("name the branch and describe the work, with the checks that ran here", async () => {
    const { data: linked } = await put({
      branch_template: "agents/{{ task.number }}/{{task.slug}}",
      body_template:
        "Please look, @lead.\n\n## {{task.title}}\n\n{{summary}}\n\n{{checks}}\n\n{{task.url}}",
    });
    expect(linked.upstream?.repository?.branch_template).toContain("agents/");
    const { id } = await taskWithWork("Done, @lead, and {{task.url}} stays.");
    const { attempts, number } = await taskOf(id);
    await queryAsOwner(
      app,
      `insert into commit_checks (id, org_id, project_id, agent_id, branch, commit_sha, name, definition,
         definition_hash, status, ended_at)
       select gen_random_uuid(), org_id, project_id, agent_id, 'main', $2, c.name, '{}', '', c.status, now()
       from task_attempts join tasks using (org_id), (values ('lint', 'failed'), ('test', 'passed')) c (name, status)
       where task_attempts.task_id = $1 and tasks.id = $1`,
      [id, attempts[0]?.head_commit],
    );
    const request = await open(id);
    expect(request.head).toBe(`agents/${number}/round-half-cents`);
    expect(there().body).toBe(
      `Please look, @lead.\n\n## Round half cents\n\nDone, @\u200blead, and {{task.url}} stays.\n\n- ✕ lint\n- ✓ test\n\n${app.url}/tasks/${id}`,
    );
    // Branches of requests are not fetched back, whatever they are called.
    await owner.api.upstreams.fetch({ params: { project_id: project.id } });
    await waitUntilIdle(owner, project.id);
    const { data: branches } = await owner.api.projects.branches({
      params: { project_id: project.id },
    });
    expect(branches.map(({ name }) => name).filter((name) => name.startsWith("agents/"))).toEqual(
      [],
    );
    const { data: usual } = await put({ branch_template: null, body_template: null });
    expect(usual.upstream?.repository).toMatchObject({
      branch_template: null,
      body_template: null,
    });
  });

  test("are refused with a field that does not exist, or without a branch for each task", async () => {
    await expectProblem(put({ branch_template: "omoi/{{task.slug}}" }), 422, "validation_failed");
    const problem = await expectProblem(
      put({ body_template: "{{secrets.KEY}}" }),
      422,
      "validation_failed",
    );
    expect(JSON.stringify(problem)).toContain("has no field {{secrets.KEY}}");
  });

  test("leave what a person has edited on the forge", async () => {
    const { id, workspace } = await taskWithWork();
    const request = await open(id);
    Object.assign(there(), { title: "Better words", body: "As agreed with @lead." });
    await commitFiles(owner, workspace, { "total.ts": "round to even\n" });
    const newest = (await taskOf(id)).attempts[0]?.head_commit;
    await expect.poll(() => shop.sha(request.head)).toBe(newest);
    expect((await refresh(request)).title).toBe("Better words");
    expect(there()).toMatchObject({ title: "Better words", body: "As agreed with @lead." });
    await open(id);
    expect(there()).toMatchObject({ title: "Better words", body: "As agreed with @lead." });
  });
});
