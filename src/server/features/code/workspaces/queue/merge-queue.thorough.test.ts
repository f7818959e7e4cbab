import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { MergeRequest } from "#shared/api/code/merge-requests.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { createGitKey, openCloneFactory } from "#test/support/git/clone.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { shell } from "#test/support/fixtures/runs.js";
import { gitInRepository, repoPathOf } from "#test/support/git/git.js";
import { updateRef } from "#git/store/refs.js";
import { commitTree, resolveTree } from "#git/store/repository.js";
import { waitForRequest } from "#test/support/fixtures/merge-requests.js";

describe("the merge queue", () => {
  let app: TestApp;
  let owner: TestPerson;
  let reviewer: TestPerson;
  let org: Organization;
  let project: Project;

  beforeAll(async () => {
    app = await startTestApp({ OMOI_RUN_STOP_GRACE_SECONDS: "1", OMOI_LOG_LEVEL: "error" }, "real");
    owner = await app.person("Ada");
    reviewer = await app.person("Grace");
    org = await makeOrganization(owner);
    const { data: roles } = await owner.api.roles.list({ params: { org_id: org.id } });
    const role_id = roles.find(({ name }) => name === "admin")?.id as string;
    const params = { org_id: org.id };
    await owner.api.members.add({ params, body: { user_id: reviewer.id, role_id } });
  });
  beforeEach(async () => {
    project = await makeProjectWith(owner, org.id, { "good.txt": "yes\n", "shared.txt": "1\n" });
  });
  afterAll(() => app.close());

  const params = () => ({ project_id: project.id });
  const setCheck = (script: string, further: object = {}, name = "test") =>
    owner.api.mergeQueue.setCheck({
      params: { ...params(), name },
      body: { command: shell(script), ...further },
    });
  /** A rule that the change weakens may ask for an approval. */
  const protect = async (rules: { checks?: string[]; approvals?: number; pattern?: string }) => {
    const { data } = await owner.api.protectionChanges.propose({
      params: params(),
      body: { protected_branches: [{ pattern: "main", ...rules }] },
    });
    const approval = { params: { protection_change_id: data.id } };
    if (data.status === "pending") await reviewer.api.protectionChanges.approve(approval);
  };
  const protectBy = async (script: string, further: object = {}) => {
    await setCheck(script, further);
    await protect({ checks: ["test"] });
  };
  const work = async (files: Record<string, string>): Promise<Workspace> => {
    const { workspace } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, workspace, files);
    return workspace;
  };
  const queue = async ({ agent_id }: Workspace, api = owner.api): Promise<MergeRequest> => {
    const answer = await api.workspaces.createMerge({
      params: { agent_id },
      body: { queue: true },
    });
    expect(answer.status).toBe(202);
    return answer.data;
  };
  const ended = (request: MergeRequest) => waitForRequest(owner, request.id);
  const tip = () => gitInRepository(app, project, "rev-parse", "refs/heads/main");
  const checkRuns = async (): Promise<{ commit_sha: string; status: string; name: string }[]> =>
    queryAsOwner(
      app,
      "select commit_sha, status, name from commit_checks where project_id = $1 order by id",
      [project.id],
    );

  test("a merge lands after its check has passed on exactly the commit that lands", async () => {
    await protectBy("cat good.txt other.txt && echo 'all fine'");
    const workspace = await work({ "other.txt": "new\n" });
    const before = await tip();
    const request = await queue(workspace);
    expect(request).toMatchObject({
      agent_id: workspace.agent_id,
      kind: "merge",
      source_branch: workspace.branch_name,
      target_branch: "main",
      approvals: [],
      required_approvals: 0,
      merge_id: null,
      requested_by: { type: "user", id: owner.id, name: "Ada" },
    });
    expect(["queued", "checking"]).toContain(request.status);
    const done = await ended(request);
    expect(done).toMatchObject({ status: "merged", position: null, reason: null });
    expect(done.checks).toMatchObject([{ name: "test", status: "passed", detail: null }]);
    const after = await tip();
    expect(after).toBe(done.candidate_commit);
    expect(await gitInRepository(app, project, "rev-parse", "main^1")).toBe(before);
    const run_id = done.checks[0]?.run_id as string;
    const { data: run } = await owner.api.runs.get({ params: { run_id } });
    expect(run).toMatchObject({ kind: "check", status: "succeeded", agent_id: workspace.agent_id });
    const log = await fetch(`${app.url}/api/v1/runs/${run_id}/logs`, {
      headers: { authorization: `Bearer ${owner.token}` },
    });
    expect(await log.text()).toBe("yes\nnew\nall fine\n");
    const { agent_id } = workspace;
    const { data: merge } = await owner.api.workspaces.merge({
      params: { agent_id, merge_id: done.merge_id as string },
    });
    expect(merge).toMatchObject({ kind: "merge", merge_commit_sha: after, status: "clean" });
    // A check is no run of the agent, and takes no slot.
    const { data: runs } = await owner.api.runs.list({ params: { agent_id }, query: {} });
    expect(runs).toEqual([]);
  });

  test("a failing check rejects the request, names the cause, and leaves the branch", async () => {
    await protectBy("test ! -e bad.txt");
    const before = await tip();
    const done = await ended(await queue(await work({ "bad.txt": "x\n" })));
    expect(done).toMatchObject({
      status: "rejected",
      merge_id: null,
      reason:
        "A check failed. test: Its command exited with code 1. main passes without this change.",
    });
    expect(done.checks).toMatchObject([{ name: "test", status: "failed" }]);
    expect(await tip()).toBe(before);
  });

  test("a check that failed before is distinguished from one that the change broke", async () => {
    await protectBy("exit 3");
    const done = await ended(await queue(await work({ "a.txt": "x\n" })));
    expect(done.reason).toBe(
      "A check failed. test: Its command exited with code 3. main fails without this change, too.",
    );
  });

  test.each([
    ["exits 127", "no-such-program", {}, "Its command exited with code 127."],
    ["exits 126", "exec /", {}, "Its command exited with code 126."],
    ["never ends", "sleep 1000", { timeout_seconds: 1 }, "It exceeded its timeout of 1 seconds."],
    [
      "tests nothing",
      "echo 0 tests passed",
      { log_pattern: "[1-9]\\d* tests passed" },
      "Its command exited normally, but no line of its output matches [1-9]\\d* tests passed.",
    ],
  ])("a check that %s has failed", async (_case, script, further, detail) => {
    await protectBy(script, further);
    const done = await ended(await queue(await work({ "a.txt": "x\n" })));
    expect(done.status).toBe("rejected");
    expect(done.checks).toMatchObject([{ status: "failed", detail }]);
  });

  test("a check with a pattern passes if a line matches, however much it writes", async () => {
    const script = "seq 1 20000; echo 12 tests passed; seq 1 20000";
    await protectBy(script, { log_pattern: "^12 tests passed$" });
    expect(await ended(await queue(await work({ "a.txt": "x\n" })))).toMatchObject({
      status: "merged",
    });
  });

  test("a check that forks without end or writes 1 GB fails within its limits", async () => {
    await protectBy("head -c 1000000000 /dev/zero; bomb() { bomb | bomb & }; bomb; wait; exit 1", {
      timeout_seconds: 20,
    });
    const done = await ended(await queue(await work({ "a.txt": "x\n" })));
    expect(done.status).toBe("rejected");
    // The queue goes on.
    await setCheck("true");
    expect(await ended(await queue(await work({ "b.txt": "x\n" })))).toMatchObject({
      status: "merged",
    });
  });

  test("of five queued branches the bad one is found with at most three further checks", async () => {
    await protectBy("test ! -e bad.txt");
    // Held back until all five wait.
    await protect({ approvals: 1 });
    const requests: MergeRequest[] = [];
    for (const name of ["a", "b", "bad", "d", "e"]) {
      requests.push(await queue(await work({ [`${name}.txt`]: "x\n" })));
    }
    await protect({ checks: ["test"] });
    const done = [];
    for (const request of requests) done.push(await ended(request));
    expect(done.map(({ status }) => status)).toEqual([
      "merged",
      "merged",
      "rejected",
      "merged",
      "merged",
    ]);
    const runs = await checkRuns();
    // The batch, at most three to find it, and the two behind it together.
    expect(runs.filter(({ status }) => status !== "cancelled").length).toBeLessThanOrEqual(5);
    // Each state of the branch that was not direct has passed.
    const passed = new Set(
      runs.filter(({ status }) => status === "passed").map(({ commit_sha }) => commit_sha),
    );
    expect(passed.has(await tip())).toBe(true);
  });

  test("a direct merge, a direct undo and a push to a protected branch are refused", async () => {
    const workspace = await work({ "a.txt": "x\n" });
    const { agent_id } = workspace;
    const { data: merge } = await owner.api.workspaces.createMerge({ params: { agent_id } });
    await protectBy("true");
    await commitFiles(owner, workspace, { "b.txt": "x\n" });
    const refused = await expectProblem(
      owner.api.workspaces.createMerge({ params: { agent_id } }),
      409,
      "branch_protected",
    );
    expect(refused).toMatchObject({ checks: ["test"], approvals: 0 });
    const merge_id = merge.id as string;
    const undo = { agent_id, merge_id };
    await expectProblem(
      owner.api.workspaces.revertMerge({ params: undo }),
      409,
      "branch_protected",
    );
    const { data: request } = await owner.api.workspaces.revertMerge({
      params: undo,
      body: { queue: true },
    });
    const done = await ended(request);
    expect(done).toMatchObject({ kind: "revert", of_merge: merge_id, status: "merged" });
    expect(await gitInRepository(app, project, "ls-tree", "--name-only", "main")).not.toContain(
      "a.txt",
    );
    await expectProblem(
      owner.api.workspaces.revertMerge({ params: undo, body: { queue: true } }),
      409,
      "already_reverted",
    );
  });

  test("a losing version is restored through the queue", async () => {
    const one = await work({ "shared.txt": "one\n" });
    const other = await work({ "shared.txt": "other\n" });
    await owner.api.workspaces.createMerge({ params: { agent_id: one.agent_id } });
    const { data: merge } = await owner.api.workspaces.createMerge({
      params: { agent_id: other.agent_id },
    });
    expect(merge.total_conflicts).toBe(1);
    await protectBy("cat shared.txt");
    const { data: request } = await owner.api.workspaces.restoreVersion({
      params: { agent_id: other.agent_id, merge_id: merge.id as string },
      body: { paths: ["shared.txt"], queue: true },
    });
    expect(await ended(request)).toMatchObject({ kind: "restore", status: "merged" });
    expect(await gitInRepository(app, project, "show", "main:shared.txt")).toBe("one");
  });

  test("approvals come from others than the author, and each person counts once", async () => {
    await protect({ approvals: 1 });
    const workspace = await work({ "a.txt": "x\n" });
    const request = await queue(workspace);
    expect(request).toMatchObject({
      status: "waiting_for_approval",
      position: null,
      required_approvals: 1,
    });
    const approving = { params: { merge_request_id: request.id } };
    await expectProblem(owner.api.mergeQueue.approve(approving), 403, "own_work");
    const { data: key } = await owner.api.apiKeys.create({
      body: { name: "of the agent", agent_id: workspace.agent_id },
    });
    const byAgent = app.client(key.key as string);
    await expectProblem(byAgent.mergeQueue.approve(approving), 403, "own_work");
    const { data: approved } = await reviewer.api.mergeQueue.approve(approving);
    expect(approved.approvals).toMatchObject([{ by: { type: "user", name: "Grace" } }]);
    const done = await ended(request);
    expect(done.status).toBe("merged");
    await expectProblem(reviewer.api.mergeQueue.approve(approving), 409, "merge_request_ended");
  });

  test("a person who pushed to the branch cannot approve its merge", async () => {
    await protect({ approvals: 1 });
    const workspace = await work({ "a.txt": "x\n" });
    const clones = await openCloneFactory();
    const key = await createGitKey(reviewer);
    const branch = ["--branch", workspace.branch_name];
    const clone = await clones.clone(project.clone_url, key, ...branch);
    await clone.commit({ "pushed.txt": "x\n" });
    expect((await clone.push(workspace.branch_name)).code).toBe(0);
    await clones.dispose();
    const approving = { params: { merge_request_id: (await queue(workspace)).id } };
    const refused = await expectProblem(
      reviewer.api.mergeQueue.approve(approving),
      403,
      "own_work",
    );
    expect(refused.detail).toContain("You pushed to the branch of this merge");
  });

  test("a viewer can neither queue, cancel nor approve", async () => {
    await protect({ approvals: 1 });
    const viewer = await app.person("Viewer");
    const body = { user_id: viewer.id, role_id: systemRoleIds.viewer };
    await owner.api.members.add({ params: { org_id: org.id }, body });
    const workspace = await work({ "a.txt": "x\n" });
    const { id } = await queue(workspace);
    const asking = { params: { merge_request_id: id } };
    expect((await viewer.api.mergeQueue.get(asking)).data.id).toBe(id);
    const { api } = viewer;
    for (const call of [
      () => queue(workspace, api),
      () => api.mergeQueue.approve(asking),
      () => api.mergeQueue.cancel(asking),
      () => api.mergeQueue.deleteCheck({ params: { ...params(), name: "test" } }),
    ]) {
      await expectProblem(call(), 403, "insufficient_permission");
    }
  });

  test("a project has at most fifty checks and two hundred open requests", async () => {
    for (let nth = 1; nth <= 50; nth += 1) await setCheck("true", {}, `check-${nth}`);
    await expectProblem(setCheck("true", {}, "one-more"), 409, "too_many_checks");
    await setCheck("false", {}, "check-1");
    await protect({ approvals: 1 });
    const workspace = await work({ "a.txt": "x\n" });
    await queryAsOwner(
      app,
      `insert into merge_requests (id, org_id, project_id, agent_id, kind, of_merge, request,
         source_branch, target_branch, status, origin)
       select gen_random_uuid(), $1, $2, $3, 'revert', gen_random_uuid(), '{}', 'workspace-x',
         'main', 'waiting_for_approval', '{}' from generate_series(1, 200)`,
      [org.id, project.id, workspace.agent_id],
    );
    await expectProblem(queue(workspace), 409, "queue_full");
  });

  test("an undo that is open is named", async () => {
    const workspace = await work({ "a.txt": "x\n" });
    const { agent_id } = workspace;
    const { data: merge } = await owner.api.workspaces.createMerge({ params: { agent_id } });
    await protect({ approvals: 1 });
    const undo = {
      params: { agent_id, merge_id: merge.id as string },
      body: { queue: true as const },
    };
    const { data: request } = await owner.api.workspaces.revertMerge(undo);
    const refused = await expectProblem(
      owner.api.workspaces.revertMerge(undo),
      409,
      "merge_request_open",
    );
    expect(refused["merge_request_id"]).toBe(request.id);
  });

  test("branches that touch other files are checked at the same time", async () => {
    await setCheck("until test -e /tmp/never; do test -e go.txt && exit 0; sleep 0.1; done", {
      timeout_seconds: 30,
    });
    await protect({ approvals: 1 });
    const requests: MergeRequest[] = [];
    for (let nth = 1; nth <= 7; nth += 1) {
      requests.push(await queue(await work({ [`file-${nth}.txt`]: "x\n" })));
    }
    await protect({ checks: ["test"] });
    const running = async () =>
      (await checkRuns())
        .filter(({ status }) => status === "running")
        .map(({ commit_sha }) => commit_sha);
    // Five together, and the two behind them on top.
    await expect.poll(running).toHaveLength(2);
    const [first, second] = (await running()) as [string, string];
    expect(await gitInRepository(app, project, "merge-base", first, second)).toBe(first);
    const added = async (commit: string) =>
      (await gitInRepository(app, project, "ls-tree", "--name-only", commit)).match(/file-/g)
        ?.length;
    expect([await added(first), await added(second)]).toEqual([5, 7]);
    await setCheck("true");
    for (const request of requests) expect((await ended(request)).status).toBe("merged");
  });

  test("branches that touch the same files are not", async () => {
    await setCheck("test -e file-2.txt || sleep 1000");
    await protect({ approvals: 1 });
    for (let nth = 1; nth <= 5; nth += 1) await queue(await work({ [`dir/${nth}.txt`]: "x\n" }));
    await queue(await work({ "dir/1.txt": "y\n" }));
    await protect({ checks: ["test"] });
    await expect.poll(checkRuns).toMatchObject([{ status: "running" }]);
    expect((await checkRuns()).length).toBe(1);
    await setCheck("true");
  });

  test("a target that moves fifty times meanwhile is merged and checked anew", async () => {
    await protectBy("sleep 0.3");
    const repoPath = repoPathOf(app, project);
    const request = await queue(await work({ "a.txt": "x\n" }));
    for (let nth = 1; nth <= 50; nth += 1) {
      const parent = await tip();
      const commit = await commitTree(repoPath, {
        tree: await resolveTree(repoPath, parent),
        parents: [parent],
        message: `Move ${nth}`,
        author: { name: "Upstream", email: "up@example.com" },
        date: new Date(),
      });
      await updateRef(repoPath, "refs/heads/main", commit, parent).catch(() => {});
    }
    const moved = await gitInRepository(app, project, "log", "-1", "--format=%s", "main");
    const done = await ended(request);
    expect(done.status).toBe("merged");
    expect(await tip()).toBe(done.candidate_commit);
    const subjects = await gitInRepository(app, project, "log", "--format=%s", "main");
    expect(subjects).toContain(moved);
    const passed = (await checkRuns()).filter(({ status }) => status === "passed");
    expect(passed.map(({ commit_sha }) => commit_sha)).toContain(done.candidate_commit);
  });

  test("two processes serve one queue: each request lands once", async () => {
    await protectBy("true");
    const sibling = await app.sibling();
    try {
      const apis = [owner.api, sibling.client(owner.token)];
      const workspaces = [];
      for (let nth = 1; nth <= 6; nth += 1) workspaces.push(await work({ [`${nth}.txt`]: "x\n" }));
      const requests = await Promise.all(
        workspaces.map((workspace, nth) => queue(workspace, apis[nth % 2])),
      );
      for (const request of requests) expect((await ended(request)).status).toBe("merged");
      const merges = await queryAsOwner(
        app,
        "select merge_commit from merges where project_id = $1 and target_branch = 'main'",
        [project.id],
      );
      // One more filled the project.
      expect(merges).toHaveLength(requests.length + 1);
      expect(new Set(merges.map((row) => row["merge_commit"])).size).toBe(merges.length);
    } finally {
      await sibling.close();
    }
  });

  test("approving twice counts once", async () => {
    await protect({ approvals: 2 });
    const request = await queue(await work({ "a.txt": "x\n" }));
    const approving = { params: { merge_request_id: request.id } };
    await reviewer.api.mergeQueue.approve(approving);
    const { data } = await reviewer.api.mergeQueue.approve(approving);
    expect(data).toMatchObject({ status: "waiting_for_approval" });
    expect(data.approvals).toHaveLength(1);
    await owner.api.mergeQueue.cancel(approving);
    const { data: after } = await owner.api.mergeQueue.get(approving);
    expect(after).toMatchObject({ status: "cancelled", reason: "Canceled by Ada." });
    await expectProblem(owner.api.mergeQueue.cancel(approving), 409, "merge_request_ended");
  });

  test("a canceled request stops its check, and the others go on", async () => {
    await protectBy("test ! -e slow.txt || sleep 1000");
    const slow = await queue(await work({ "slow.txt": "x\n" }));
    await expect
      .poll(async () => (await checkRuns()).map(({ status }) => status))
      .toContain("running");
    const next = await queue(await work({ "next.txt": "x\n" }));
    await owner.api.mergeQueue.cancel({ params: { merge_request_id: slow.id } });
    expect(await ended(next)).toMatchObject({ status: "merged" });
    expect((await ended(slow)).status).toBe("cancelled");
    const running = () =>
      queryAsOwner(app, "select from runs where kind = 'check' and status = 'running'");
    await expect.poll(running).toEqual([]);
  });

  test("no one stops a check as if it had passed", async () => {
    await protectBy("sleep 1000");
    const workspace = await work({ "a.txt": "x\n" });
    const request = await queue(workspace);
    const params = { merge_request_id: request.id };
    let run_id = "";
    await expect
      .poll(async () => {
        const { checks } = (await owner.api.mergeQueue.get({ params })).data;
        run_id = checks[0]?.run_id ?? "";
        return run_id;
      })
      .not.toBe("");
    const { data: key } = await owner.api.apiKeys.create({
      body: { name: "agent", agent_id: workspace.agent_id },
    });
    for (const api of [app.client(key.key as string), owner.api]) {
      const stop = { params: { run_id }, body: { status: "succeeded" as const } };
      await expectProblem(api.runs.stop(stop), 409, "run_managed");
    }
    await owner.api.mergeQueue.cancel({ params });
  });

  test("a new request lets the running check of those before it end", async () => {
    await protectBy("sleep 2");
    const first = await queue(await work({ "a.txt": "x\n" }));
    await expect.poll(checkRuns).toMatchObject([{ status: "running" }]);
    const second = await queue(await work({ "b.txt": "x\n" }));
    expect((await ended(first)).status).toBe("merged");
    expect((await ended(second)).status).toBe("merged");
    expect((await checkRuns()).map(({ status }) => status)).toEqual(["passed", "passed"]);
  });

  test("an open merge of the same workspace is named, and an ended one is no obstacle", async () => {
    await protect({ approvals: 1 });
    const workspace = await work({ "a.txt": "x\n" });
    const request = await queue(workspace);
    const refused = await expectProblem(queue(workspace), 409, "merge_request_open");
    expect(refused["merge_request_id"]).toBe(request.id);
    await owner.api.mergeQueue.cancel({ params: { merge_request_id: request.id } });
    await queue(workspace);
  });

  test("only the commit that was queued is merged", async () => {
    await protect({ approvals: 1 });
    const workspace = await work({ "a.txt": "x\n" });
    const request = await queue(workspace);
    await commitFiles(owner, workspace, { "later.txt": "x\n" });
    await reviewer.api.mergeQueue.approve({ params: { merge_request_id: request.id } });
    expect((await ended(request)).status).toBe("merged");
    const files = await gitInRepository(app, project, "ls-tree", "--name-only", "main");
    expect(files).toContain("a.txt");
    expect(files).not.toContain("later.txt");
  });

  test("a request with nothing to merge ends at once", async () => {
    await protectBy("true");
    const { workspace } = await makeWorkspace(owner, project.id);
    expect(await queue(workspace)).toMatchObject({
      status: "merged",
      merge_id: null,
      reason: "There is nothing to merge into main.",
    });
  });

  test("a request that no longer merges cleanly by hand is rejected", async () => {
    await owner.api.projects.update({
      params: params(),
      body: { protected_branches: [{ pattern: "main", approvals: 1, strategy: "manual" }] },
    });
    const [one, other] = [
      await work({ "shared.txt": "one\n" }),
      await work({ "shared.txt": "2\n" }),
    ];
    const requests = [await queue(one), await queue(other)];
    for (const { id } of requests) {
      await reviewer.api.mergeQueue.approve({ params: { merge_request_id: id } });
    }
    const done = [
      await ended(requests[0] as MergeRequest),
      await ended(requests[1] as MergeRequest),
    ];
    expect(done.map(({ status }) => status)).toEqual(["merged", "rejected"]);
    expect(done[1]?.reason).toBe("One conflict is unresolved; list each one in resolutions.");
    const strategy = { params: { agent_id: other.agent_id }, body: { strategy: "source_wins" } };
    await expectProblem(
      owner.api.workspaces.previewMerge(strategy as never),
      422,
      "validation_failed",
    );
  });

  test("patterns never protect a workspace's own branch, and the first match applies", async () => {
    await setCheck("true");
    await owner.api.projects.update({
      params: params(),
      body: {
        protected_branches: [
          { pattern: "**", checks: ["test"] },
          { pattern: "main", approvals: 5 },
        ],
      },
    });
    const workspace = await work({ "a.txt": "x\n" });
    const done = await ended(await queue(workspace));
    expect(done).toMatchObject({ status: "merged", required_approvals: 0 });
  });

  test("archiving a workspace cancels its request", async () => {
    await protect({ approvals: 1 });
    const workspace = await work({ "a.txt": "x\n" });
    const request = await queue(workspace);
    await owner.api.workspaces.archive({ params: { agent_id: workspace.agent_id } });
    expect(await ended(request)).toMatchObject({
      status: "cancelled",
      reason: "Its workspace was archived.",
    });
  });

  test("a deleted project ends its queue and its checks", async () => {
    await protectBy("sleep 1000");
    const { id } = await queue(await work({ "a.txt": "x\n" }));
    await expect.poll(checkRuns).toMatchObject([{ status: "running" }]);
    await owner.api.projects.delete({ params: params() });
    const asking = { params: { merge_request_id: id } };
    await expectProblem(owner.api.mergeQueue.get(asking), 404, "not_found");
    expect((await checkRuns()).map(({ status }) => status)).toEqual(["cancelled"]);
    expect(
      await queryAsOwner(app, "select status from merge_requests where id = $1", [id]),
    ).toEqual([{ status: "cancelled" }]);
    expect(
      await queryAsOwner(app, "select from runs where kind = 'check' and status = 'running'"),
    ).toEqual([]);
  });

  test("an archived organization keeps its queue, which goes on once it is restored", async () => {
    const other = await makeOrganization(owner);
    project = await makeProjectWith(owner, other.id, { "a.txt": "a\n" });
    await protectBy("sleep 1");
    const { id } = await queue(await work({ "b.txt": "x\n" }));
    await owner.api.organizations.archive({ params: { org_id: other.id } });
    const before = await tip();
    await expect
      .poll(() => queryAsOwner(app, "select from runs where kind = 'check' and status = 'running'"))
      .toEqual([]);
    expect(await tip()).toBe(before);
    await owner.api.organizations.restore({ params: { org_id: other.id } });
    expect((await waitForRequest(owner, id)).status).toBe("merged");
  });

  test("nothing lands for a caller who lost the permission", async () => {
    await protect({ approvals: 1 });
    const colleague = await app.person("Colleague");
    const { data: roles } = await owner.api.roles.list({ params: { org_id: org.id } });
    const role_id = roles.find(({ name }) => name === "member")?.id as string;
    const { data: member } = await owner.api.members.add({
      params: { org_id: org.id },
      body: { user_id: colleague.id, role_id },
    });
    const request = await queue(await work({ "a.txt": "x\n" }), colleague.api);
    await owner.api.members.remove({ params: { org_id: org.id, member_id: member.id } });
    await reviewer.api.mergeQueue.approve({ params: { merge_request_id: request.id } });
    expect(await ended(request)).toMatchObject({
      status: "rejected",
      reason: "The caller who requested it may no longer merge this workspace.",
    });
  });

  test("checks are listed, replaced and deleted, and a required one stays", async () => {
    await setCheck("true", {}, "lint");
    await setCheck("true", { timeout_seconds: 60, log_pattern: "ok" }, "unit");
    await setCheck("false", { network: "none" }, "lint");
    const { data } = await owner.api.mergeQueue.checks({ params: params(), query: {} });
    expect(data).toMatchObject([
      { name: "lint", command: shell("false"), timeout_seconds: 1800, log_pattern: null },
      { name: "unit", timeout_seconds: 60, log_pattern: "ok" },
    ]);
    await protect({ checks: ["lint"] });
    const lint = { params: { ...params(), name: "lint" } };
    await expectProblem(owner.api.mergeQueue.deleteCheck(lint), 409, "check_in_use");
    await protect({});
    await owner.api.mergeQueue.deleteCheck(lint);
    await expectProblem(owner.api.mergeQueue.deleteCheck(lint), 404, "not_found");
  });

  test.each([
    ["an unknown check", { protected_branches: [{ pattern: "main", checks: ["none"] }] }, "checks"],
    ["a pattern twice", { protected_branches: [{ pattern: "a" }, { pattern: "a" }] }, "twice"],
    ["six approvals", { protected_branches: [{ pattern: "a", approvals: 6 }] }, "at most 5"],
    ["a strange pattern", { protected_branches: [{ pattern: "a b" }] }, "branch name"],
  ])("%s is refused", async (_case, body, text) => {
    const problem = await expectProblem(
      owner.api.projects.update({ params: params(), body }),
      422,
      "validation_failed",
    );
    expect(JSON.stringify(problem)).toContain(text);
  });

  test.each(["(", "(a{1000}){1000}", "(?<=a)b"])(
    "the log pattern %s is refused",
    async (pattern) => {
      const problem = await expectProblem(
        setCheck("true", { log_pattern: pattern }),
        422,
        "validation_failed",
      );
      expect(problem.errors?.[0]?.loc).toEqual(["body", "log_pattern"]);
    },
  );

  test("the queue of one branch is listed in its order, and ended requests newest first", async () => {
    await protect({ approvals: 1 });
    const first = await queue(await work({ "a.txt": "x\n" }));
    const second = await queue(await work({ "b.txt": "x\n" }));
    const list = (query: object) => owner.api.mergeQueue.list({ params: params(), query });
    expect((await list({})).data.map(({ id }) => id)).toEqual([first.id, second.id]);
    const page = await list({ limit: 1 });
    expect(page.data.map(({ id }) => id)).toEqual([first.id]);
    const cursor = new URL(/<([^>]+)>/.exec(page.headers.get("link") ?? "")?.[1] ?? "", app.url)
      .searchParams;
    const rest = await list({ limit: 1, cursor: cursor.get("cursor") });
    expect(rest.data.map(({ id }) => id)).toEqual([second.id]);
    await owner.api.mergeQueue.cancel({ params: { merge_request_id: first.id } });
    await owner.api.mergeQueue.cancel({ params: { merge_request_id: second.id } });
    expect((await list({ status: "ended" })).data.map(({ id }) => id)).toEqual([
      second.id,
      first.id,
    ]);
    expect((await list({})).data).toEqual([]);
  });

  test("another organization finds nothing", async () => {
    await protect({ approvals: 1 });
    const request = await queue(await work({ "a.txt": "x\n" }));
    const stranger = await app.person("Eve");
    await makeOrganization(stranger);
    const { api } = stranger;
    const asking = { params: { merge_request_id: request.id } };
    const name = { ...params(), name: "x" };
    for (const call of [
      () => api.mergeQueue.get(asking),
      () => api.mergeQueue.cancel(asking),
      () => api.mergeQueue.approve(asking),
      () => api.mergeQueue.list({ params: params(), query: {} }),
      () => api.mergeQueue.checks({ params: params(), query: {} }),
      () => api.mergeQueue.setCheck({ params: name, body: { command: ["true"] } }),
      () => api.mergeQueue.deleteCheck({ params: name }),
      () => owner.api.mergeQueue.get({ params: { merge_request_id: randomUUID() } }),
    ]) {
      await expectProblem(call(), 404, "not_found");
    }
  });
});
