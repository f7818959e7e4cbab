/** `omoi review`: comments on lines, their answers, suggestions and approvals, at a terminal and in an agent's run. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Changes, Draft, Review } from "#shared/api/work/reviews.js";
import type { Task } from "#shared/api/work/tasks.js";
import type { Thread } from "#shared/api/work/threads.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { openCli, type SignedInCli } from "#test/support/server/signed-in-cli.js";

let app: TestApp;
let ada: TestPerson;
let orgId: string;
let cli: SignedInCli;
let task: Task;

beforeAll(async () => {
  app = await startTestApp({ OMOI_RUN_STOP_GRACE_SECONDS: "1" }, "real");
  ada = await app.person("Ada");
});
afterAll(() => app.close());
beforeEach(async () => {
  const organization = await makeOrganization(ada);
  orgId = organization.id;
  const project = await makeProjectWith(ada, orgId, { "a.txt": "a\n" });
  cli = openCli({ OMOI_URL: app.url, OMOI_TOKEN: ada.token, OMOI_ORG: organization.slug });
  ({ data: task } = await ada.api.tasks.create({
    params: { project_id: project.id },
    body: {
      body: "write b.txt one two three four",
      title: "Count",
      preset: "custom",
      command: acpAgent("load"),
      network: "none",
    },
  }));
  await inReview();
  return () => cli.close();
});

async function inReview(): Promise<void> {
  const status = async () =>
    (await ada.api.tasks.get({ params: { task_id: task.id } })).data.status;
  await expect.poll(status).toBe("in_review");
}

/** Lets the agent write a file, and waits until it is committed. */
async function write(words: string): Promise<void> {
  const before = (await changes()).commit_sha;
  await ada.api.tasks.prompt({ params: { task_id: task.id }, body: { text: `write ${words}` } });
  await expect.poll(async () => (await changes()).commit_sha).not.toBe(before);
  await inReview();
}

async function out(...args: string[]): Promise<string> {
  const { code, out: printed, err } = await cli.run("review", ...args);
  expect([args, code, err]).toEqual([args, 0, ""]);
  return printed;
}
const json = async <Data>(...args: string[]): Promise<Data> =>
  JSON.parse(await out(...args, "-o", "json")) as Data;
const changes = () => json<Changes>("show", "1");
const threads = (...args: string[]) => json<Thread[]>("threads", "1", ...args);

async function fails(code: number, said: string, ...args: string[]): Promise<void> {
  const failed = await cli.run("review", ...args);
  expect([args, failed.code, failed.err]).toEqual([args, code, expect.stringContaining(said)]);
}

/** The command of the agent in its run, where it has the agent's id and a token. */
async function inRun(...args: string[]): Promise<string> {
  const agent_id = task.attempts[0]?.agent_id as string;
  const { data: key } = await ada.api.apiKeys.create({
    body: { name: "of the agent", agent_id, organization_id: orgId },
  });
  const env = { OMOI_TOKEN: key.key as string, OMOI_AGENT_ID: agent_id, OMOI_ORG: "" };
  const done = await cli.runWith({ env }, "review", ...args);
  expect([args, done.code, done.err]).toEqual([args, 0, ""]);
  return done.out;
}

describe("the changes of a task", () => {
  test("are shown by file, with counts, lines and what is missing", async () => {
    const shown = await out("show", "1");
    expect(shown).toMatch(
      /^Task +#1 Count\nChanges +1 file \+4 -0\nCommit +[0-9a-f]{12}, into main\n/,
    );
    expect(shown).toMatch(/\nThreads +0 open\n/);
    expect(shown).toMatch(/\nFile +Status +Lines +Seen +Note\nb\.txt +added +\+4 -0 +no +-\n/);
    expect(await out("show", "1", "--diff")).toContain("+one\n+two\n");
    expect(await out("show", "1", "--quiet")).toBe("b.txt\n");
    const { commit_sha, files } = await changes();
    expect(files.map(({ path }) => path)).toEqual(["b.txt"]);
    await out("viewed", "1", "b.txt", commit_sha);
    expect(await out("show", "1")).toMatch(/\nb\.txt +added +\+4 -0 +yes/);
    await fails(2, "Name the task", "show");
    expect(await inRun("show")).toContain("#1 Count");
  });

  test("are shown since the last review", async () => {
    await out("submit", "1", "--comment", "-m", "I have read it");
    await write("c.txt five");
    const since = await out("show", "1", "--since", "last_review");
    expect(since).toMatch(/\nSince +your last review \([0-9a-f]{12}\)\n/);
    expect(since).toMatch(/\nc\.txt +added/);
    expect(since).not.toContain("b.txt");
    expect(since).toMatch(/\nReviewer +Verdict +Commit +At\nAda +comments +[0-9a-f]{12} /);
  });
});

describe("a review", () => {
  test("is drafted, published, and answered by the agent at its lines", async () => {
    expect(await out("draft", "1")).toMatch(/^There is no draft; omoi review comment 1 FILE:LINE/);
    expect(await out("comment", "1", "b.txt:2-3", "Why two lines?")).toBe(
      `The draft has 1 comment on ${(await changes()).commit_sha.slice(0, 12)}. Publish it with: omoi review submit 1 --request-changes\n`,
    );
    const piped = await cli.runWith(
      { input: "Say more\n" },
      "review",
      "comment",
      "1",
      "b.txt",
      "-",
    );
    expect([piped.code, piped.err]).toEqual([0, ""]);
    expect(await out("draft", "1")).toMatch(
      /^Draft on [0-9a-f]{12}, which comments, with 2 comments\.\n\nb\.txt:2-3\n {2}Why two lines\?\n\nb\.txt\n {2}Say more\n$/,
    );
    expect((await json<Draft>("draft", "1")).comments).toMatchObject([
      { path: "b.txt", side: "new", start_line: 2, line: 3 },
      { path: "b.txt", line: null },
    ]);
    expect(await out("submit", "1", "--request-changes", "-m", "Two questions")).toMatch(
      /^Requested changes of [0-9a-f]{12}\. 2 threads\.\nThe agent /,
    );
    expect(await json<null>("draft", "1")).toBeNull();
    const { out: conversation } = await cli.run("task", "logs", "1");
    expect(conversation).toContain("Two questions");
    await inReview();

    const shown = await inRun("threads");
    expect(shown).toMatch(
      /^b\.txt:2-3 {2}open\nthread [0-9a-f-]{36}\n\| two\n\| three\nAda, .*:\n {2}Why two lines\?\n\nb\.txt {2}open\n/,
    );
    const [first, second] = (await threads()).map(({ id }) => id) as [string, string];
    expect(await inRun("reply", first, "They are counted")).toMatch(/: *\n {2}They are counted\n$/);
    expect(await inRun("resolve", first, second)).toBe(
      "b.txt:2-3 is resolved.\nb.txt is resolved.\n",
    );
    expect(await threads("--open")).toEqual([]);
    expect(await out("threads", "1")).toBe("No threads.\n");
    expect(await out("threads", "1", "--all")).toMatch(
      /^b\.txt:2-3 {2}resolved by \S+ without a change\n/,
    );
    expect(await out("reopen", first)).toBe("b.txt:2-3 is open.\n");
    expect((await threads()).map(({ id }) => id)).toEqual([first]);
    await fails(2, "cannot be used with", "threads", "1", "--open", "--all");
  });

  test("approves the commit that was read", async () => {
    const read = (await changes()).commit_sha;
    await write("c.txt five");
    await fails(5, "omoi review show TASK", "submit", "1", "--approve", "--commit", read);
    expect(await out("submit", "1", "--approve")).toMatch(/^Approved [0-9a-f]{12}\.\n$/);
    const [review] = await json<Review[]>("list", "1");
    expect(review).toMatchObject({ verdict: "approve", counts: true });
    expect(await out("show", "1")).toMatch(/\nAda +approves /);
    await write("d.txt six");
    expect(await out("show", "1")).toMatch(/\nAda +approved an earlier change /);
  });

  test("follows its lines to the newest commit", async () => {
    await out("comment", "1", "b.txt:1", "The first");
    await out("comment", "1", "b.txt:4", "The last");
    await write("b.txt zero one two three");
    const { head_sha, commit_sha } = await json<Draft>("draft", "1");
    expect(head_sha).not.toBe(commit_sha);
    expect(await out("draft", "1")).toMatch(/\nb\.txt:2\n {2}The first\n\nb\.txt:4 {2}outdated\n/);
    await fails(5, `--commit ${head_sha}`, "submit", "1", "--comment");
    const moved = await cli.run("review", "submit", "1", "--comment", "--commit", head_sha);
    expect([moved.code, moved.err]).toEqual([
      0,
      "omoi: b.txt:4 is gone; its comment is now on the file.\n",
    ]);
    expect((await threads()).map(({ line }) => line)).toEqual([2, null]);
    await write("b.txt zero two");
    expect(await out("threads", "1")).toMatch(
      /^b\.txt:2 {2}outdated, written on [0-9a-f]{12}; open\n/,
    );
  });

  test("is refused where it says nothing, or too much", async () => {
    await fails(2, "Say one of --approve", "submit", "1");
    await fails(2, "Say one of --approve", "submit", "1", "--approve", "--comment");
    await fails(2, "--interrupt belongs", "submit", "1", "--approve", "--interrupt");
    await fails(1, "body", "submit", "1", "--comment");
    await fails(2, "Write the comment", "comment", "1", "b.txt:1");
    await fails(2, "Only one", "comment", "1", "b.txt:1", "-", "--suggest", "-");
    await fails(2, "names no lines", "comment", "1", "b.txt:3-2", "x");
    await fails(2, "--suggest: ENOENT", "comment", "1", "b.txt:1", "--suggest", "none.txt");
    await fails(1, "must be at most 4", "comment", "1", "b.txt:5", "x");
    await out("comment", "1", "b.txt:1", "x");
    expect(await out("draft", "1", "--delete")).toBe("The draft is deleted.\n");
    expect(await json<null>("draft", "1")).toBeNull();
  });
});

describe("suggestions", () => {
  test("are committed one by one, or all together", async () => {
    await writeFile(join(cli.home, "line.txt"), "2\n");
    await out("comment", "1", "b.txt:2", "As a figure", "--suggest", "line.txt");
    await out("comment", "1", "b.txt:3-4", "--suggest", "/dev/null");
    await out("comment", "1", "a.txt:1", "Not this one");
    await out("submit", "1", "--comment");
    expect(await out("threads", "1")).toMatch(
      /b\.txt:2 {2}open\nthread .*\n\| two\nAda, .*:\n {2}As a figure\n {2}suggests:\n {2}\+ 2\nSuggestion: open\n\nb\.txt:3-4 [^]*\n {2}suggests to delete the lines\n/,
    );
    const [first] = (await threads()).map(({ id }) => id) as [string];
    await fails(2, "", "apply");
    expect(await out("apply", "1", first)).toMatch(/^Applied 1 suggestion as [0-9a-f]{12}\.\n$/);
    expect(await out("apply", "1")).toMatch(/^Applied 1 suggestion as [0-9a-f]{12}\.\n$/);
    expect(await out("show", "1", "--diff", "--path", "b.txt")).toMatch(/\+one\n\+2\n$/);
    await fails(5, "#1 has no open suggestion", "apply", "1");
    await fails(5, "omoi review threads TASK", "apply", "1", first);
    expect(await out("threads", "1", "--all")).toMatch(/Suggestion: applied by [0-9a-f]{12}\n/);
  });
});
