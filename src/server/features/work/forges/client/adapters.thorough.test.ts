import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { forgeKinds, openDouble, type OpenDouble } from "#test/support/forges/open-double.js";
import { MAX_LOG_BYTES } from "../forge-discussion.js";

const repository = "acme/shop";

let double: OpenDouble["double"];
let shop: OpenDouble["shop"];
let forge: OpenDouble["forge"];
let openPull: OpenDouble["openPull"];

const start = async (kind: (typeof forgeKinds)[number]): Promise<void> => {
  ({ double, shop, forge, openPull } = await openDouble(kind));
};
afterEach(async () => {
  expect(double.violations).toEqual([]);
  await double.close();
});

const failureOf = async (work: () => Promise<unknown>): Promise<string> => {
  try {
    return JSON.stringify(await work()) ?? "undefined";
  } catch (error) {
    return (error as { failure?: string }).failure ?? String(error);
  }
};

describe.each(forgeKinds)("the adapter of %s", (kind) => {
  beforeEach(() => start(kind));

  test("reads an issue, and lists those that changed, oldest change first", async () => {
    const first = shop.openIssue("Round half cents", "They add up.", "ada");
    await openPull();
    const second = shop.openIssue("Sort", "", "dependabot[bot]");
    shop.changeIssue(first, { label: "omoi" });
    shop.changeIssue(first, { assignee: "omoi" });
    expect(await forge.readIssue(repository, first.number)).toEqual({
      number: first.number,
      title: "Round half cents",
      body: "They add up.",
      url: expect.stringMatching(`^${double.url}/acme/shop/(?:-/)?issues/${first.number}$`),
      state: "open",
      author: { login: "ada", is_bot: false },
      labels: ["omoi"],
      assignees: ["omoi"],
      updated_at: first.updated,
    });
    const all = await forge.listIssues(repository, null);
    expect(all.map(({ number }) => number)).toEqual([second.number, first.number]);
    expect(all[0]?.author).toEqual({ login: "dependabot[bot]", is_bot: true });
    const changed = await forge.listIssues(repository, first.updated);
    expect(changed.map(({ number }) => number)).toEqual([first.number]);
    shop.changeIssue(second, { state: "closed" });
    expect((await forge.readIssue(repository, second.number)).state).toBe("closed");
  });

  test.each(["issue", "pull_request"] as const)(
    "writes and reads comments on an %s",
    async (on) => {
      const subject = on === "issue" ? shop.openIssue("Round") : (await openPull()).pull;
      const at = { repository, kind: on, number: subject.number };
      const asked = shop.comment(subject, "ada", "@omoi please fix");
      const made = await forge.createComment(at, "Work has begun.");
      expect(made).toMatchObject({ body: "Work has begun.", author: { login: "omoi" } });
      await forge.updateComment(at, made.id, "Done.");
      const comments = await forge.listComments(at, null);
      expect(comments.map(({ body, author }) => [author.login, body])).toEqual([
        ["ada", "@omoi please fix"],
        ["omoi", "Done."],
      ]);
      const [, last] = comments;
      expect(last?.id).toBe(made.id);
      expect(last?.url).toContain(made.id);
      expect(Date.parse(last?.updated_at ?? "")).toBeGreaterThan(
        Date.parse(last?.created_at ?? ""),
      );
      const newer = await forge.listComments(
        at,
        new Date(Date.parse(asked.updated) + 1).toISOString(),
      );
      expect(newer.map(({ id }) => id)).toEqual([made.id]);
      expect(await failureOf(() => forge.updateComment(at, "999999", "?"))).toBe("not_found");
    },
  );

  test("knows who may write", async () => {
    const logins = ["lead", "writer", "reader", "stranger", "nobody", "..", "x/../lead", ""];
    const may = logins.map((login) => forge.canWrite(repository, login));
    expect(await Promise.all(may)).toEqual([true, true, ...logins.slice(2).map(() => false)]);
  });

  test("lists reviews with their verdicts", async () => {
    const { pull, sha } = await openPull();
    expect(await forge.listReviews(repository, pull.number)).toEqual([]);
    shop.review(pull, { login: "ada", state: "CHANGES_REQUESTED", body: "Not yet.", sha });
    shop.review(pull, { login: "lead", state: "APPROVED", sha });
    const request = await forge.readPullRequest(repository, pull.number);
    expect(request.review_decision).toBe("changes_requested");
    const reviews = await forge.listReviews(repository, pull.number);
    expect(reviews.map(({ author, verdict }) => [author.login, verdict])).toEqual([
      ["ada", "request_changes"],
      ["lead", "approve"],
    ]);
    expect(new Set(reviews.map(({ id }) => id)).size).toBe(2);
    expect(reviews[0]?.submitted_at).toBe(pull.reviews[0]?.at);
    // GitLab says neither why nor of which commit.
    const expected = kind === "gitlab" ? ["", null] : ["Not yet.", sha];
    expect([reviews[0]?.body, reviews[0]?.commit_sha]).toEqual(expected);
  });

  test("reads threads apart from comments, with replies and their state", async () => {
    const { pull, sha } = await openPull();
    shop.comment(pull, "ada", "Looks good.");
    const place = { path: "total.ts", line: 3, startLine: null, side: "new" as const, sha };
    const thread = shop.openThread(pull, "ada", place, "Why three?");
    shop.openThread(pull, "ada", { ...place, line: 9, side: "old" }, "Why not nine?");
    shop.reply(pull, thread, "lead", "Because.");
    thread.isResolved = true;
    const [first, second, ...others] = await forge.listThreads(repository, pull.number);
    expect(others).toEqual([]);
    expect(first).toMatchObject({
      path: "total.ts",
      line: 3,
      start_line: null,
      side: "new",
      commit_sha: sha,
      resolved: true,
      comments: [
        { body: "Why three?", author: { login: "ada" } },
        { body: "Because.", author: { login: "lead" } },
      ],
    });
    expect(second).toMatchObject({ line: 9, side: "old", resolved: false });
    const at = { repository, kind: "pull_request" as const, number: pull.number };
    const comments = await forge.listComments(at, null);
    expect(comments.map(({ body }) => body)).toEqual(["Looks good."]);
  });

  test("opens, answers and resolves a thread", async () => {
    const { pull, sha } = await openPull();
    const place = { path: "total.ts", line: 3, start_line: null, side: "new" as const };
    const made = await forge.createThread(repository, pull.number, {
      ...place,
      commit_sha: sha,
      body: "Rounded to even.",
    });
    expect(made).toMatchObject({ ...place, commit_sha: sha, resolved: false });
    const reply = await forge.replyToThread(repository, pull.number, made.id, "And tested.");
    expect(reply).toMatchObject({ body: "And tested.", author: { login: "omoi" } });
    await forge.resolveThread(repository, pull.number, made.id, true);
    const [read] = await forge.listThreads(repository, pull.number);
    expect(read).toMatchObject({ id: made.id, resolved: true });
    expect(read?.comments.map(({ id }) => id)).toEqual([made.comments[0]?.id, reply.id]);
    await forge.resolveThread(repository, pull.number, made.id, false);
    expect((await forge.listThreads(repository, pull.number))[0]?.resolved).toBe(false);
  });

  test("opens threads at removed and unchanged lines, over several lines, and on a file", async () => {
    const { pull, sha } = await openPull();
    const open = (line: number | null, start: number | null, side: "old" | "new") =>
      forge.createThread(repository, pull.number, {
        path: "total.ts",
        line,
        start_line: start,
        side,
        commit_sha: sha,
        body: "Here.",
      });
    expect(await open(9, null, "old")).toMatchObject({ line: 9, side: "old" });
    expect(await open(6, null, "new")).toMatchObject({ line: 6, side: "new" });
    const several = await open(12, 10, "new");
    const isWithoutRanges = kind === "gitea";
    expect(several).toMatchObject({ line: 12, start_line: isWithoutRanges ? null : 10 });
    if (isWithoutRanges) expect(await failureOf(() => open(null, null, "new"))).toBe("refused");
    else expect(await open(null, null, "new")).toMatchObject({ line: null, start_line: null });
  });

  test.each([true, false])("reads the end of a log, stored elsewhere: %s", async (elsewhere) => {
    double.storesLogsElsewhere = elsewhere;
    const { sha } = await openPull();
    const time = "2026-03-01T10:00:00.1234567Z ";
    const noise = `${time}\u001b[32mcompiled\u001b[0m \u00e9\n`.repeat(elsewhere ? 100_000 : 10);
    const log = `\uFEFF${noise}10%\r50%\r100%\r\n${time}\u001b[31mError: 1 test failed\u001b[0m\n`;
    shop.report(sha, { name: "build", status: "failure", url: "https://ci.example.com/1", log });
    shop.report(sha, { name: "lint", status: "success", url: "https://ci.example.com/2", log });
    const end = await forge.readCheckLog(repository, sha, "build");
    expect(end).toMatch(/compiled é\n100%\nError: 1 test failed$/);
    expect(end).not.toMatch(/2026-03|\u001b|\uFFFD/);
    const bytes = Buffer.byteLength(end ?? "");
    expect(bytes).toBeLessThanOrEqual(MAX_LOG_BYTES);
    if (elsewhere) expect(bytes).toBeGreaterThan(MAX_LOG_BYTES - 100);
    expect(await forge.readCheckLog(repository, sha, "lint")).toBeNull();
    expect(await forge.readCheckLog(repository, sha, "unknown")).toBeNull();
  });

  test("reads no log of a check that has none, except what it reports", async () => {
    const { sha } = await openPull();
    shop.report(sha, { name: "lint", status: "failure", url: "https://ci.example.com/1" });
    const expected = kind === "github" ? "1 problem\ntotal.ts:3: Unexpected any" : null;
    expect(await forge.readCheckLog(repository, sha, "lint")).toBe(expected);
  });

  test("sets the status of a commit, also again", async () => {
    const { pull, sha } = await openPull();
    const status = { name: "omoi/queue", description: "Waits", url: "https://omoi.example.com/1" };
    await forge.setCommitStatus(repository, sha, { ...status, state: "pending" });
    await forge.setCommitStatus(repository, sha, { ...status, state: "pending" });
    await forge.setCommitStatus(repository, sha, { ...status, state: "failure" });
    const { checks } = await forge.readPullRequest(repository, pull.number);
    expect(checks).toEqual([{ name: "omoi/queue", status: "failure", url: status.url }]);
    expect(shop.statuses.get(sha)).toEqual([{ ...status, state: "failure" }]);
  });

  test("registers a hook once, and removes it", async () => {
    const url = "http://127.0.0.1:1/hooks/forges/1";
    const id = await forge.registerHook(repository, { url, secret: "first" });
    expect(await forge.registerHook(repository, { url, secret: "second" })).toBe(id);
    expect(double.outbox.hooks).toMatchObject([{ repository, url, secret: "second" }]);
    await forge.removeHook(repository, id);
    await forge.removeHook(repository, id);
    expect(double.outbox.hooks).toEqual([]);
  });
});
