import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { forgeKinds, openDouble, type OpenDouble } from "#test/support/forges/open-double.js";
import { MAX_COMMENTS, MAX_ISSUES, MAX_REVIEWS } from "../forge-discussion.js";
import type { ForgeFailure } from "../forge.js";

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

/** Every call of the second half of the interface. */
const calls: Record<string, () => Promise<unknown>> = {
  readIssue: () => forge.readIssue(repository, 1),
  listIssues: () => forge.listIssues(repository, null),
  listComments: () => forge.listComments({ repository, kind: "issue", number: 1 }, null),
  createComment: () => forge.createComment({ repository, kind: "issue", number: 1 }, "Hi"),
  updateComment: () => forge.updateComment({ repository, kind: "issue", number: 1 }, "5", "Hi"),
  canWrite: () => forge.canWrite(repository, "lead"),
  listReviews: () => forge.listReviews(repository, 1),
  listThreads: () => forge.listThreads(repository, 1),
  createThread: () =>
    forge.createThread(repository, 1, {
      path: "total.ts",
      line: 3,
      start_line: null,
      side: "new",
      body: "Hi",
      commit_sha: "0".repeat(40),
    }),
  replyToThread: () => forge.replyToThread(repository, 1, "5", "Hi"),
  resolveThread: () => forge.resolveThread(repository, 1, "5", true),
  readCheckLog: () => forge.readCheckLog(repository, "0".repeat(40), "build"),
  setCommitStatus: () =>
    forge.setCommitStatus(repository, "0".repeat(40), {
      name: "queue",
      state: "pending",
      description: "",
      url: null,
    }),
  registerHook: () => forge.registerHook(repository, { url: "http://127.0.0.1:1/", secret: "s" }),
  removeHook: () => forge.removeHook(repository, "1"),
};

const refusals: [
  [number, Record<string, string>, ForgeFailure],
  ...[number, Record<string, string>, ForgeFailure][],
] = [
  [404, {}, "not_found"],
  [401, {}, "unauthorized"],
  [422, {}, "refused"],
  [429, { "retry-after": "3600" }, "limited"],
];
/** A repository that is gone has neither writers nor hooks, and older versions of Gitea lack some calls. */
const exceptions: Record<string, string> = {
  "github 404 canWrite": "false",
  "gitea 404 canWrite": "false",
  "404 removeHook": "undefined",
  "gitea 404 readCheckLog": "null",
  "gitea 422 readCheckLog": "null",
  "gitea 404 resolveThread": "refused",
};

describe.each(forgeKinds)("the adapter of %s", (kind) => {
  beforeEach(() => start(kind));

  test("turns what the forge refuses into a failure of each call", async () => {
    for (const [at, [name, call]] of Object.entries(calls).entries()) {
      for (const [status, headers, failure] of [
        refusals[0],
        refusals[1 + (at % 3)] ?? refusals[0],
      ]) {
        double.fault = () => ({ status, headers, body: { message: "No" } });
        const expected = exceptions[`${status} ${name}`] ?? exceptions[`${kind} ${status} ${name}`];
        expect([name, await failureOf(call)]).toEqual([name, expected ?? failure]);
      }
    }
  });

  test("says how long to wait, and that a forge is down", async () => {
    double.fault = () => ({
      status: 429,
      headers: { "retry-after": "1800" },
      body: { message: "Slow down" },
    });
    const reading = () => forge.createComment({ repository, kind: "issue", number: 1 }, "Hi");
    await expect(reading()).rejects.toMatchObject({ failure: "limited", retryAfterSeconds: 1800 });
    double.fault = () => ({ status: 503, body: { message: "Down" } });
    expect(await failureOf(reading)).toBe("unreachable");
  });

  test("reads no more than the limits", async () => {
    const { pull, sha } = await openPull();
    const issue = shop.openIssue("Long");
    for (let count = 0; count < MAX_ISSUES + 20; count += 1) shop.openIssue(`Issue ${count}`);
    for (let count = 0; count < MAX_COMMENTS + 20; count += 1) {
      shop.comment(issue, "ada", `Comment ${count}`);
    }
    const issues = await forge.listIssues(repository, null);
    expect(issues).toHaveLength(MAX_ISSUES);
    const at = { repository, kind: "issue" as const, number: issue.number };
    expect(await forge.listComments(at, null)).toHaveLength(MAX_COMMENTS);
    for (let count = 0; count < 120; count += 1) {
      const place = { path: "total.ts", line: count + 1, startLine: null, side: "new" as const };
      shop.openThread(pull, "ada", { ...place, sha }, `Thread ${count}`);
      shop.review(pull, { login: `reviewer-${count}`, state: "APPROVED", sha });
    }
    const threads = await forge.listThreads(repository, pull.number);
    expect(threads).toHaveLength(120);
    const approvals = (await forge.listReviews(repository, pull.number)).filter(
      ({ verdict }) => verdict === "approve",
    );
    expect(approvals).toHaveLength(120);
    expect(approvals.length).toBeLessThanOrEqual(MAX_REVIEWS);
  });
});

describe("an older forge than the adapter knows", () => {
  test("refuses to resolve threads with a sentence, and has no logs", async () => {
    await start("gitea");
    const { pull, sha } = await openPull();
    shop.report(sha, {
      name: "build",
      status: "failure",
      url: "https://ci.example.com/1",
      log: "",
    });
    const place = { path: "total.ts", line: 3, startLine: null, side: "new" as const, sha };
    const thread = shop.openThread(pull, "ada", place, "Why?");
    for (const status of [404, 405]) {
      double.fault = ({ path }) =>
        /\/resolve$|\/actions\//.test(path) ? { status, body: { message: "No such route" } } : null;
      await expect(
        forge.resolveThread(repository, pull.number, String(thread.id), true),
      ).rejects.toThrow("resolves threads on its pages only");
      expect(await forge.readCheckLog(repository, sha, "build")).toBeNull();
    }
  });
});
