import { beforeEach, describe, expect, test } from "vitest";
import type { Thread } from "#shared/api/work/threads.js";
import { expectProblem } from "#test/support/server/app.js";
import { commitFiles, makeWorkspace } from "#test/support/fixtures/factories.js";
import {
  numbered,
  app,
  owner,
  reviewer,
  project,
  made,
  joinAs,
  params,
  publish,
  changes,
  threads,
  comment,
  one,
  prepareReviews,
  makeReviewed,
  makeReviewedProject,
} from "#test/support/fixtures/reviews.js";

prepareReviews();

describe("comments of a review", () => {
  test.each([
    ["a line that never existed", { line: 21 }, "line"],
    ["a file that never existed", { path: "c.txt" }, "path"],
    ["a range that ends before it begins", { start_line: 11 }, "start_line"],
    ["an empty comment", { body: " " }, "body"],
    ["control characters", { body: "a\u001b[2Jb" }, "body"],
    ["more than 64 KiB", { body: "é".repeat(32 * 1024 + 1) }, "body"],
    ["a suggestion for the old side", { side: "old" as const, suggestion: "x" }, "suggestion"],
  ])("%s is refused", async (_name, more, field) => {
    const refused = await expectProblem(
      publish({ comments: [comment(more)] }),
      422,
      "validation_failed",
    );
    expect(refused.errors?.[0]?.loc.at(-1)).toBe(field);
  });
});

describe("reviews", () => {
  beforeEach(makeReviewed);

  test("changes show what would land, and which files the caller has seen", async () => {
    const before = await changes();
    expect(before).toMatchObject({
      commit_sha: made.head,
      target_branch: "main",
      base_sha: before.target_sha,
      since: { kind: "base" },
      files: [{ path: "a.txt", viewed: false, additions: 1, deletions: 1 }],
      approval: { approve: { allowed: true }, required: 0, given: 0, open_threads: 0 },
    });
    const { data: seen } = await owner.api.reviews.setViewed({
      params: params(),
      body: { path: "a.txt", commit_sha: made.head },
    });
    expect(seen).toEqual({ path: "a.txt", viewed: true });
    expect((await changes()).files[0]?.viewed).toBe(true);
    expect((await changes(reviewer)).files[0]?.viewed).toBe(false);
    await commitFiles(owner, made.workspace, { "a.txt": numbered(20, { 10: "other" }) });
    expect((await changes()).files[0]?.viewed).toBe(false);
  });

  test("a file is marked as seen only in the state of the task that the caller knows", async () => {
    const { headers } = await owner.api.tasks.get({ params: params() });
    const view = (etag: string) =>
      owner.api.reviews.setViewed(
        { params: params(), body: { path: "a.txt", commit_sha: made.head } },
        { headers: { "if-match": etag } },
      );
    expect((await view(headers.get("etag") as string)).data.viewed).toBe(true);
    await expectProblem(view('"another"'), 412, "stale");
  });

  test("threads follow their lines through later commits, or are outdated", async () => {
    await publish({ comments: [comment(), comment({ line: 15, start_line: 14, body: "Here." })] });
    await commitFiles(owner, made.workspace, {
      "a.txt": `first\nsecond\n${numbered(20, { 10: "changed" })}`,
    });
    expect(await threads()).toMatchObject([
      { path: "a.txt", line: 12, start_line: 12, outdated: false, original: { line: 10 } },
      {
        line: 17,
        start_line: 16,
        outdated: false,
        original: { line: 15, text: "line 14\nline 15" },
      },
    ]);
    await commitFiles(owner, made.workspace, { "a.txt": numbered(20, { 10: "again", 14: "x" }) });
    expect(await threads()).toMatchObject([
      { line: 10, outdated: true },
      { line: 15, start_line: 14, outdated: true },
    ]);
  });

  test("a review of an older commit is refused with the places that moved", async () => {
    const { commit_sha } = await changes();
    await commitFiles(owner, made.workspace, {
      "a.txt": `first\n${numbered(20, { 10: "changed" })}`,
    });
    const refused = await expectProblem(
      publish({ commit_sha, comments: [comment(), { path: "b.txt", body: "Unused?" }] }),
      409,
      "changes_moved",
    );
    expect(refused).toMatchObject({
      commit_sha: (await changes()).commit_sha,
      comments: [{ index: 0, line: 10, now: { path: "a.txt", line: 11 } }],
    });
    expect(await threads()).toEqual([]);
  });

  test("a draft is the caller's own, moves along, and ends with the review", async () => {
    const body = { verdict: "approve" as const, body: "Fine.", comments: [comment()] };
    await owner.api.reviews.saveDraft({
      params: params(),
      body: { ...body, commit_sha: made.head },
    });
    await expectProblem(reviewer.api.reviews.getDraft({ params: params() }), 404, "not_found");
    await commitFiles(owner, made.workspace, {
      "a.txt": `first\n${numbered(20, { 10: "changed" })}`,
    });
    const { data: draft } = await owner.api.reviews.getDraft({ params: params() });
    expect(draft).toMatchObject({
      verdict: "approve",
      body: "Fine.",
      commit_sha: made.head,
      head_sha: (await changes()).commit_sha,
      comments: [{ path: "a.txt", line: 10, side: "new", now: { line: 11 } }],
    });
    await publish({ comments: [comment({ line: 11 })] });
    await expectProblem(owner.api.reviews.getDraft({ params: params() }), 404, "not_found");
  });

  test("replies and comments of later reviews continue a thread, which is resolved and opened again", async () => {
    await publish({ comments: [comment()] });
    const { id: thread_id } = await one();
    await reviewer.api.threads.reply({ params: { thread_id }, body: { body: "Because." } });
    const { thread_ids } = await publish({ comments: [{ thread_id, body: "I see." }] });
    expect(thread_ids).toEqual([thread_id]);
    expect((await one()).comments.map(({ body }) => body)).toEqual(["Why?", "Because.", "I see."]);
    const resolve = async (resolved: boolean): Promise<Thread> =>
      (await reviewer.api.threads.update({ params: { thread_id }, body: { resolved } })).data;
    expect(await resolve(true)).toMatchObject({
      resolved_by: { name: "Grace", type: "user" },
      resolved_without_change: false,
    });
    expect((await changes()).approval.open_threads).toBe(0);
    expect(await resolve(false)).toMatchObject({ resolved_at: null, resolved_by: null });
    const open = await owner.api.threads.list({ params: params(), query: { resolved: "true" } });
    expect(open.data).toEqual([]);
  });

  test("a viewer reads, and writes nothing", async () => {
    await publish({ comments: [comment()] });
    const viewer = await app.person("Vera");
    await joinAs(owner, viewer, project.organization_id, "viewer");
    const { id: thread_id } = await one();
    expect((await viewer.api.threads.get({ params: { thread_id } })).data.id).toBe(thread_id);
    const refusals = [
      () => viewer.api.threads.reply({ params: { thread_id }, body: { body: "Hm." } }),
      () => viewer.api.threads.update({ params: { thread_id }, body: { resolved: true } }),
      () => publish({ body: "Hm." }, viewer),
    ];
    for (const call of refusals) {
      await expectProblem(call(), 403, "insufficient_permission");
    }
    expect((await changes(viewer)).approval.approve.allowed).toBe(false);
  });

  test("suggestions are committed by their author, with the applier as committer", async () => {
    await publish({ comments: [comment({ suggestion: "better" })] }, reviewer);
    const { data: applied } = await owner.api.threads.apply({
      params: { thread_id: (await one()).id },
    });
    expect(applied.threads).toMatchObject([
      {
        resolved_by: { name: "Ada" },
        suggestion: { state: "applied", commit_sha: applied.commit_sha },
      },
    ]);
    const after = await changes();
    expect(after.commit_sha).toBe(applied.commit_sha);
    expect(after.files[0]?.patch).toContain("+better");
    // Who applies a suggestion can still approve.
    expect(after.approval.approve.allowed).toBe(true);
    const again = owner.api.threads.apply({ params: { thread_id: (await one()).id } });
    await expectProblem(again, 409, "no_suggestion");
  });

  test("several suggestions are applied together, all of them or none", async () => {
    await publish({
      comments: [
        comment({ suggestion: "one\ntwo" }),
        comment({ line: 12, start_line: 11, suggestion: "" }),
        comment({ line: 11, suggestion: "overlaps" }),
        comment({ body: "Only a question." }),
      ],
    });
    const ids = (await threads()).map(({ id }) => id) as [string, string, string, string];
    const apply = (thread_ids: string[]) =>
      owner.api.threads.applyAll({ params: params(), body: { thread_ids } });
    await expectProblem(apply([...ids]), 409, "no_suggestion");
    const refused = await expectProblem(apply(ids.slice(0, 3)), 409, "suggestion_stale");
    expect(refused["thread_ids"]).toEqual([ids[2]]);
    const { data } = await apply(ids.slice(0, 2));
    expect(data.commits).toHaveLength(1);
    const { data: file } = await owner.api.reviews.file({
      params: params(),
      query: { path: "a.txt", commit_sha: data.commit_sha, start_line: 9, end_line: 13 },
    });
    expect(file).toMatchObject({
      total_lines: 19,
      lines: ["line 9", "one", "two", "line 13", "line 14"],
    });
    await expectProblem(apply([ids[2]]), 409, "suggestion_stale");
  });

  test("the task's own agent answers and resolves, and one without a change is shown as such", async () => {
    await publish({ comments: [comment()] });
    const { agent_id } = made.workspace;
    const { data: created } = await owner.api.apiKeys.create({ body: { name: "k", agent_id } });
    const agent = app.client(created.key as string);
    const { data: listed } = await agent.threads.list({ params: params() });
    const thread_id = listed[0]?.id as string;
    await agent.threads.reply({ params: { thread_id }, body: { body: "It is right." } });
    await agent.threads.update({ params: { thread_id }, body: { resolved: true } });
    expect(await one()).toMatchObject({
      resolved_by: { type: "agent", id: agent_id },
      resolved_without_change: true,
      comments: [{ body: "Why?" }, { body: "It is right.", author: { type: "agent" } }],
    });
    await commitFiles(owner, made.workspace, { "a.txt": numbered(20, { 10: "fixed" }) });
    expect((await one()).resolved_without_change).toBe(false);
    await expectProblem(
      agent.reviews.publish({
        params: params(),
        body: { verdict: "comment", body: "Mine.", commit_sha: made.head },
      }),
      403,
      "insufficient_permission",
    );
    // Another agent does not see the thread.
    const other = await makeWorkspace(owner, project.id);
    const { data: theirs } = await owner.api.apiKeys.create({
      body: { name: "k", agent_id: other.agent.id },
    });
    const stranger = app.client(theirs.key as string);
    await expectProblem(stranger.threads.get({ params: { thread_id } }), 404, "not_found");
    await expectProblem(
      stranger.threads.update({ params: { thread_id }, body: { resolved: false } }),
      404,
      "not_found",
    );
  });

  test("a task without an attempt has no changes", async () => {
    const { data } = await owner.api.tasks.create({
      params: { project_id: project.id },
      body: { body: "Later", start: false },
    });
    await expectProblem(
      owner.api.reviews.changes({ params: { task_id: data.id } }),
      409,
      "no_attempt",
    );
  });

  test("an earlier commit of the attempt is shown as it was, and no other one", async () => {
    const at = async (query: Record<string, string>) =>
      (await owner.api.reviews.changes({ params: params(), query })).data;
    const before = await changes();
    await commitFiles(owner, made.workspace, { "a.txt": numbered(20, { 10: "other" }) });
    const now = await at({ path: "a.txt" });
    expect(now.files[0]?.patch).toContain("+other");
    const then = await at({ path: "a.txt", commit_sha: before.commit_sha });
    expect(then).toMatchObject({ commit_sha: before.commit_sha, base_sha: before.base_sha });
    expect(then.files[0]?.patch).toContain("+changed");
    await expectProblem(at({ commit_sha: "1".repeat(40) }), 422, "validation_failed");
  });

  test("names are found in changed lines, whole ones first", async () => {
    const search = async (q: string) =>
      (await owner.api.reviews.search({ params: params(), query: { q } })).data;
    await commitFiles(owner, made.workspace, {
      "a.txt": numbered(20, { 5: "changedNameToo", 10: "changedName" }),
    });
    expect(await search("changedname")).toMatchObject({
      complete: true,
      matches: [
        { path: "a.txt", side: "new", line: 10, text: "changedName", whole: true },
        { path: "a.txt", side: "new", line: 5, whole: false },
      ],
    });
    expect((await search("line 10")).matches).toMatchObject([{ side: "old", line: 10 }]);
    expect((await search("line 11")).matches).toEqual([]);
    await expectProblem(search("a"), 422, "validation_failed");
  });
});

describe("reviews for a protected branch", () => {
  beforeEach(makeReviewedProject);

  test("open threads hold a merge up where the branch requires it", async () => {
    await owner.api.projects.update({
      params: { project_id: project.id },
      body: { protected_branches: [{ pattern: "main", resolve_threads: true }] },
    });
    await publish({ comments: [comment()] });
    const merge = () =>
      owner.api.workspaces.createMerge({
        params: { agent_id: made.workspace.agent_id },
        body: {},
      });
    const refused = await expectProblem(merge(), 409, "threads_open");
    expect(refused["open_threads"]).toBe(1);
    const { id: thread_id } = await one();
    await owner.api.threads.update({ params: { thread_id }, body: { resolved: true } });
    await merge();
  });

  test("approvals of reviews count for a merge request, and a request for changes takes one back", async () => {
    await owner.api.projects.update({
      params: { project_id: project.id },
      body: { protected_branches: [{ pattern: "main", approvals: 1 }] },
    });
    const queue = async () =>
      (
        await owner.api.workspaces.createMerge({
          params: { agent_id: made.workspace.agent_id },
          body: { queue: true },
        })
      ).data as unknown as { id: string };
    const read = async (id: string) =>
      (await owner.api.mergeQueue.get({ params: { merge_request_id: id } })).data;
    await publish({ verdict: "approve" });
    const { id } = await queue();
    // The person who asks for the merge does not approve it alone.
    expect(await read(id)).toMatchObject({ status: "waiting_for_approval", approvals: [] });
    expect((await changes()).approval.approve.allowed).toBe(false);
    await expectProblem(publish({ verdict: "approve" }), 403, "own_work");
    await publish({ verdict: "approve" }, reviewer);
    await expect.poll(async () => (await read(id)).status).toBe("merged");
    expect((await read(id)).approvals).toMatchObject([{ by: { name: "Grace" } }]);
  });
});
