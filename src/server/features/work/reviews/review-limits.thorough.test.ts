// Thorough: many files and threads, and many requests at once.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Thread } from "#shared/api/work/threads.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  removeFiles,
} from "#test/support/fixtures/factories.js";
import { makeReviewedTask, type ReviewedTask } from "#test/support/fixtures/reviewed-task.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";

const numbered = (count: number, change: Record<number, string> = {}): string =>
  Array.from({ length: count }, (_, at) => `${change[at + 1] ?? `line ${at + 1}`}\n`).join("");

describe("reviews of many files, many threads, and hostile input", () => {
  let app: TestApp;
  let owner: TestPerson;
  let reviewer: TestPerson;
  let project: Project;
  let made: ReviewedTask;
  const paths = Array.from({ length: 12 }, (_, at) => `src/f${String(at).padStart(2, "0")}.txt`);
  const long = (word: string): string => `${word} `.repeat(2000);
  beforeAll(async () => {
    app = await startTestApp({ OMOI_LOG_LEVEL: "error" });
    owner = await app.person("Ada");
    reviewer = await app.person("Grace");
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    const { id: org_id } = await makeOrganization(owner);
    await owner.api.members.add({
      params: { org_id },
      body: { user_id: reviewer.id, role_id: systemRoleIds.member },
    });
    const files = (word: string) =>
      Object.fromEntries(paths.map((path) => [path, `${long(word)}\n`]));
    project = await makeProjectWith(owner, org_id, { "a.txt": numbered(20), ...files("old") });
    made = await makeReviewedTask(app, owner, project.id, {
      "a.txt": numbered(20, { 10: "changedName" }),
      ...files("new"),
    });
  });
  const params = () => ({ task_id: made.task.id });
  const changes = async (query: Record<string, string> = {}) =>
    (await owner.api.reviews.changes({ params: params(), query })).data;
  const publish = async (comments: object[], as = owner) => {
    const { commit_sha } = await changes({ patches: "none" });
    const body = { verdict: "comment" as const, commit_sha, comments: comments as [] };
    return (await as.api.reviews.publish({ params: params(), body })).data;
  };
  const threads = async (): Promise<Thread[]> =>
    (await owner.api.threads.list({ params: params() })).data;
  const comment = (more: object = {}) => ({ path: "a.txt", line: 10, body: "Why?", ...more });

  test("the list comes with the lines of the first files, and others follow by path", async () => {
    const first = await changes({ patches: "first" });
    expect(first.stats.files_changed).toBe(13);
    const read = first.files.map(({ patch }) => patch !== null);
    // 12 KB of each side a file, of 64 KiB.
    expect(read.indexOf(false)).toBeGreaterThan(1);
    expect(read.slice(read.indexOf(false))).not.toContain(true);
    expect(first.files.some(({ truncated }) => truncated)).toBe(false);
    const from = first.files[read.indexOf(false)]?.path ?? "";
    const next = await changes({ path: from, files: "3", commit_sha: first.commit_sha });
    expect(next.files.map(({ path }) => path)).toEqual(
      first.files.slice(read.indexOf(false), read.indexOf(false) + 3).map(({ path }) => path),
    );
    expect(next.files.every(({ patch }) => patch?.includes("+new"))).toBe(true);
    expect((await changes({ patches: "none" })).files.every(({ patch }) => patch === null)).toBe(
      true,
    );
  });

  test("a comment of 64 KiB with markup stays as it was written", async () => {
    const markup = "<script>alert(1)</script>\n```\u202E[x](javascript:1)\n";
    const body = markup + "x".repeat(64 * 1024 - new TextEncoder().encode(markup).length);
    await publish([comment({ body })]);
    expect((await threads())[0]?.comments[0]?.body).toBe(body);
  });

  test("a thread follows a file that is renamed twice", async () => {
    await publish([comment()]);
    const text = numbered(20, { 10: "changedName" });
    await removeFiles(made.workspace, ["a.txt"]);
    await commitFiles(owner, made.workspace, { "b.txt": text });
    await removeFiles(made.workspace, ["b.txt"]);
    await commitFiles(owner, made.workspace, { "c.txt": `first\n${text}` });
    expect(await threads()).toMatchObject([{ path: "c.txt", line: 11, outdated: false }]);
  });

  test("a thread on a commit that no longer exists is found by its text, or outdated", async () => {
    await publish([comment(), comment({ line: 12, body: "And this?" })]);
    await queryAsOwner(app, "update review_threads set commit_sha = $1 where task_id = $2", [
      "d".repeat(40),
      made.task.id,
    ]);
    await commitFiles(owner, made.workspace, {
      "a.txt": numbered(20, { 10: "changedName", 12: "gone" }),
    });
    const found = await threads();
    expect(found[1]).toMatchObject({ line: 12, outdated: true });
    const [first] = found;
    expect(first?.outdated === true || first?.line === 10).toBe(true);
    await expectProblem(
      owner.api.threads.apply({ params: { thread_id: first?.id ?? "" } }),
      409,
      "no_suggestion",
    );
  });

  test("a suggestion for lines that have changed since is refused", async () => {
    await publish([comment({ suggestion: "better" })], reviewer);
    const [thread] = await threads();
    await commitFiles(owner, made.workspace, { "a.txt": numbered(20, { 10: "rewritten" }) });
    expect((await threads())[0]).toMatchObject({
      outdated: true,
      suggestion: { state: "outdated" },
    });
    await expectProblem(
      owner.api.threads.apply({ params: { thread_id: thread?.id ?? "" } }),
      409,
      "suggestion_stale",
    );
  });

  test("5 000 threads are listed page by page, and no more are made", async () => {
    const { id } = await publish([comment()]);
    await queryAsOwner(
      app,
      `with made as (
         insert into review_threads
           (id, org_id, task_id, attempt_id, review_id, path, side, start_line, line, commit_sha, text)
         select gen_random_uuid(), org_id, task_id, attempt_id, review_id, path, side, 1 + n % 20, 1 + n % 20,
           commit_sha, text
         from review_threads cross join generate_series(1, 4999) n where task_id = $1
         returning id, org_id, review_id)
       insert into review_comments (id, org_id, thread_id, review_id, author, body)
       select gen_random_uuid(), m.org_id, m.id, m.review_id, r.author, 'Why?'
       from made m join reviews r on r.id = m.review_id`,
      [made.task.id],
    );
    let [seen, cursor] = [0, undefined as string | undefined];
    do {
      const answer = await owner.api.threads.list({
        params: params(),
        query: { limit: "200", ...(cursor !== undefined && { cursor }) },
      });
      seen += answer.data.length;
      cursor = /[?&]cursor=([^&>]+)[^>]*>; rel="next"/.exec(answer.headers.get("link") ?? "")?.[1];
      if (cursor !== undefined) cursor = decodeURIComponent(cursor);
    } while (cursor !== undefined);
    expect(seen).toBe(5000);
    await expectProblem(publish([comment()]), 409, "too_many_threads");
    const { data: reviews } = await owner.api.reviews.list({ params: params() });
    expect(reviews.map((review) => review.id)).toEqual([id]);
    expect((await changes({ patches: "none" })).approval.open_threads).toBe(5000);
  });

  test("many drafts and reviews at once leave one draft and whole reviews", async () => {
    const save = (as: TestPerson, round: number) =>
      as.api.reviews.saveDraft({
        params: params(),
        body: { body: `draft ${round}`, comments: [comment()], commit_sha: made.head },
      });
    const rounds = Array.from({ length: 15 }, (_, round) => round);
    await Promise.all([
      ...rounds.map((round) => save(owner, round)),
      ...rounds.map((round) => save(reviewer, round)),
      ...rounds.slice(0, 5).map(() => publish([comment(), comment({ line: 11 })])),
    ]);
    expect(await threads()).toHaveLength(10);
    const rows = await queryAsOwner<{ reviewer_id: string }>(
      app,
      "select reviewer_id from review_drafts where task_id = $1",
      [made.task.id],
    );
    expect(new Set(rows.map(({ reviewer_id }) => reviewer_id)).size).toBe(rows.length);
  });
});
