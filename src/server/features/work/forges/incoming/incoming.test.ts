import { createHmac } from "node:crypto";
import { createRequire } from "node:module";
import type { WebhookDefinition } from "@octokit/webhooks-examples";
import { sign } from "@octokit/webhooks-methods";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { incomingOf } from "./incoming.js";
import type { IncomingEvent } from "../client/incoming-event.js";

interface Examples extends Pick<WebhookDefinition, "name"> {
  examples: { action?: string; repository?: { full_name: string }; sender?: { login: string } }[];
}

const published = createRequire(import.meta.url)("@octokit/webhooks-examples") as Examples[];
const secret = "a secret of the hook";
const kinds = ["github", "gitlab", "gitea"] as const;
const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const hmac = (body: Buffer): string => createHmac("sha256", secret).update(body).digest("hex");

describe("events of GitHub", () => {
  const { verify, read } = incomingOf("github");

  test("as published are verified by the signature that GitHub's own library makes", async () => {
    for (const { name, examples } of published) {
      for (const example of examples) {
        const body = bytes(example);
        const headers = {
          "x-github-event": name,
          "x-github-delivery": "d-1",
          "x-hub-signature-256": await sign(secret, body.toString()),
        };
        expect(verify(secret, headers, body)).toBe(true);
        expect(verify("another secret", headers, body)).toBe(false);
        expect(verify(secret, headers, Buffer.concat([body, Buffer.from(" ")]))).toBe(false);
        const { action, repository, sender } = example;
        expect(read(headers, body)).toMatchObject({
          delivery_id: "d-1",
          name: action === undefined ? name : `${name}.${action}`,
          repository: repository?.full_name ?? null,
          login: sender?.login ?? null,
        });
      }
    }
  });

  /** Reads the first published example of an event. */
  const readExample = (name: string, wanted: (example: never) => boolean = () => true) => {
    const { examples } = published.find((one) => one.name === name) as Examples;
    const example = examples.find((one) => wanted(one as never));
    return read({ "x-github-event": name }, bytes(example));
  };

  test.each([
    ["issues", { kind: "issue", number: 1 }],
    ["issue_comment", { kind: "issue", number: 1 }],
    ["pull_request", { kind: "pull_request", number: 2 }],
    ["pull_request_review", { kind: "pull_request", number: 2 }],
    ["pull_request_review_comment", { kind: "pull_request", number: 2 }],
    ["pull_request_review_thread", { kind: "pull_request", number: expect.any(Number) }],
    ["check_run", { kind: "commit", sha: expect.stringMatching(/^[0-9a-f]{40}$/) }],
    ["check_suite", { kind: "commit", sha: expect.stringMatching(/^[0-9a-f]{40}$/) }],
    ["workflow_job", { kind: "commit", sha: expect.stringMatching(/^[0-9a-f]{40}$/) }],
    ["workflow_run", { kind: "commit", sha: expect.stringMatching(/^[0-9a-f]{40}$/) }],
    ["status", { kind: "commit", sha: expect.stringMatching(/^[0-9a-f]{40}$/) }],
    ["star", null],
    ["installation", null],
  ] as const)("name what %s is about", (name, subject) => {
    expect(readExample(name)?.subject).toEqual(subject);
  });

  test("of a branch name the branch, and those of a tag do not", () => {
    const ofBranch = (one: { ref: string }): boolean => one.ref.startsWith("refs/heads/");
    expect(readExample("push", ofBranch as never)?.subject).toMatchObject({ kind: "branch" });
    const ofTag = (one: { ref: string }): boolean => one.ref.startsWith("refs/tags/");
    expect(readExample("push", ofTag as never)?.subject).toBeNull();
  });

  test("tell a comment on a pull request, and a program, from others", () => {
    const event = {
      action: "created",
      issue: { number: 7, pull_request: { url: "" } },
      sender: { login: "renovate[bot]", type: "Bot" },
    };
    expect(read({ "x-github-event": "issue_comment" }, bytes(event))).toMatchObject({
      name: "issue_comment.created",
      repository: null,
      subject: { kind: "pull_request", number: 7 },
      login: "renovate[bot]",
      is_bot: true,
    });
    expect(readExample("issues")?.is_bot).toBe(false);
  });
});

describe("events of GitLab", () => {
  const { verify, read } = incomingOf("gitlab");
  const user = { id: 1, name: "Administrator", username: "root" };
  const project = { id: 1, path_with_namespace: "gitlab-org/gitlab-test" };
  const about = (event: object, headers: object = {}): IncomingEvent | null =>
    read({ "x-gitlab-event": "A Hook", ...headers }, bytes({ project, user, ...event }));
  const sha = "bcbb5ec396a2c0f828686f14fac9b80b780504f2";

  // From GitLab's documentation of its events, shortened.
  test.each([
    [
      { object_kind: "issue", object_attributes: { id: 301, iid: 23, action: "open" } },
      "issue.open",
      { kind: "issue", number: 23 },
    ],
    [
      { object_kind: "work_item", object_attributes: { iid: 23, action: "update" } },
      "work_item.update",
      { kind: "issue", number: 23 },
    ],
    [
      {
        object_kind: "merge_request",
        object_attributes: { id: 99, iid: 1, action: "open", state: "opened" },
      },
      "merge_request.open",
      { kind: "pull_request", number: 1 },
    ],
    [
      {
        object_kind: "note",
        object_attributes: { id: 1244, noteable_type: "MergeRequest", action: "create" },
        merge_request: { id: 7, iid: 5 },
      },
      "note.create",
      { kind: "pull_request", number: 5 },
    ],
    [
      {
        object_kind: "note",
        object_attributes: { id: 1241, noteable_type: "Issue", action: "create" },
        issue: { id: 92, iid: 17 },
      },
      "note.create",
      { kind: "issue", number: 17 },
    ],
    [
      {
        object_kind: "note",
        object_attributes: { id: 1243, noteable_type: "Commit" },
        commit: { id: sha },
      },
      "note",
      null,
    ],
    [
      { object_kind: "pipeline", object_attributes: { id: 31, iid: 3, sha, status: "success" } },
      "pipeline",
      { kind: "commit", sha },
    ],
    [
      { object_kind: "build", build_id: 1977, build_status: "failed", sha },
      "build",
      { kind: "commit", sha },
    ],
    [
      { object_kind: "push", ref: "refs/heads/mr/1-fix", user_username: "jsmith", user: undefined },
      "push",
      { kind: "branch", name: "mr/1-fix" },
    ],
    [{ object_kind: "tag_push", ref: "refs/tags/v1.0.0" }, "tag_push", null],
    [
      { object_kind: "wiki_page", object_attributes: { action: "create" } },
      "wiki_page.create",
      null,
    ],
  ] as const)("name what $0.object_kind is about", (event, name, subject) => {
    expect(about(event)).toMatchObject({
      name,
      subject,
      repository: "gitlab-org/gitlab-test",
      login: event.object_kind === "push" ? "jsmith" : "root",
      is_bot: false,
    });
  });

  test("carry the token of the hook", () => {
    const body = bytes({});
    expect(verify(secret, { "x-gitlab-token": secret }, body)).toBe(true);
    for (const token of ["", "a secret of the hooK", `${secret} `, undefined]) {
      expect(verify(secret, { "x-gitlab-token": token }, body)).toBe(false);
    }
    expect(verify("", { "x-gitlab-token": "" }, body)).toBe(false);
  });

  test("keep their id when they are sent again, and differ otherwise", () => {
    const event = { object_kind: "issue", object_attributes: { iid: 23 } };
    const other = { object_kind: "issue", object_attributes: { iid: 24 } };
    const id = (one: object, headers: object): string | undefined =>
      about(one, headers)?.delivery_id;
    expect(id(event, { "idempotency-key": "k-1", "x-gitlab-event-uuid": "u-1" })).toBe("k-1");
    // One event that causes another shares its UUID.
    const chained = { "x-gitlab-event-uuid": "u-1" };
    expect(id(event, chained)).toBe(id(event, chained));
    expect(id(event, chained)).not.toBe(id(other, chained));
    expect(id(event, {})).toBe(id(event, {}));
    expect(id(event, {})).not.toBe(id(other, {}));
  });

  test("show the users of tokens as programs", () => {
    const by = (username: string): boolean | undefined =>
      about({ object_kind: "issue", user: { username } })?.is_bot;
    expect(by("project_7_bot_0d1c5d4c0b3a")).toBe(true);
    expect(by("group_9_bot1")).toBe(true);
    expect(by("projectbot")).toBe(false);
  });
});

describe("events of Gitea and Forgejo", () => {
  const { verify, read } = incomingOf("gitea");
  const common = { repository: { full_name: "gitea/webhooks" }, sender: { login: "gitea" } };
  const about = (name: string, event: object): IncomingEvent | null =>
    read({ "x-gitea-event": name }, bytes({ ...common, ...event }));
  const sha = "bffeb74224043ba2feb48d137756c8a9331c449a";

  // From Gitea's documentation of its events, shortened.
  test.each([
    ["push", { ref: "refs/heads/develop" }, "push", { kind: "branch", name: "develop" }],
    ["push", { ref: "refs/tags/v1" }, "push", null],
    ["create", { ref: "new", ref_type: "branch" }, "create", { kind: "branch", name: "new" }],
    [
      "issues",
      { action: "opened", number: 4, issue: { number: 4, pull_request: null } },
      "issues.opened",
      { kind: "issue", number: 4 },
    ],
    [
      "issues",
      { action: "label_updated", number: 4, issue: { number: 4 } },
      "issues.label_updated",
      { kind: "issue", number: 4 },
    ],
    [
      "issue_comment",
      { action: "created", issue: { number: 4 }, comment: { id: 9 }, is_pull: false },
      "issue_comment.created",
      { kind: "issue", number: 4 },
    ],
    [
      "issue_comment",
      { action: "created", issue: { number: 5, pull_request: {} }, is_pull: true },
      "issue_comment.created",
      { kind: "pull_request", number: 5 },
    ],
    [
      "pull_request",
      { action: "synchronized", number: 5, pull_request: { number: 5 } },
      "pull_request.synchronized",
      { kind: "pull_request", number: 5 },
    ],
    [
      "pull_request_approved",
      { action: "reviewed", number: 5, pull_request: { number: 5 }, review: {} },
      "pull_request_approved.reviewed",
      { kind: "pull_request", number: 5 },
    ],
    ["status", { sha, context: "build" }, "status", { kind: "commit", sha }],
    [
      "workflow_job",
      { action: "completed", workflow_job: { head_sha: sha } },
      "workflow_job.completed",
      { kind: "commit", sha },
    ],
    ["release", { action: "published" }, "release.published", null],
  ] as const)("name what %s is about", (event, payload, name, subject) => {
    expect(about(event, payload)).toMatchObject({
      name,
      subject,
      repository: "gitea/webhooks",
      login: "gitea",
    });
  });

  test("are signed under either name", () => {
    const body = bytes(common);
    const signature = hmac(body);
    expect(verify(secret, { "x-gitea-signature": signature }, body)).toBe(true);
    expect(verify(secret, { "x-forgejo-signature": signature }, body)).toBe(true);
    expect(verify(secret, { "x-gitea-signature": `${signature}0` }, body)).toBe(false);
    expect(verify(secret, { "x-gitea-signature": signature }, bytes({}))).toBe(false);
    expect(verify(secret, {}, body)).toBe(false);
    expect(read({ "x-forgejo-event": "issues", "x-forgejo-delivery": "f-1" }, body)).toMatchObject({
      delivery_id: "f-1",
      name: "issues",
    });
  });

  test("show the user of workflows as a program", () => {
    expect(about("push", { sender: { login: "gitea-actions" } })?.is_bot).toBe(true);
  });
});

describe.each(kinds)("a reader of %s", (kind) => {
  const { verify, read } = incomingOf(kind);
  const headers = fc.record(
    {
      "x-github-event": fc.constantFrom("issues", "push", "check_run", "constructor", "x"),
      "x-hub-signature-256": fc.string(),
      "x-gitlab-event": fc.string(),
      "x-gitlab-token": fc.string(),
      "x-gitea-event": fc.constantFrom("issues", "push", "status", "workflow_job", "x"),
      "x-gitea-signature": fc.string(),
      "idempotency-key": fc.string(),
    },
    { requiredKeys: [] },
  );

  test("fails for bytes that are no JSON, and in no other way", () => {
    const raw = fc.uint8Array().map((array) => Buffer.from(array));
    fc.assert(
      fc.property(headers, raw, fc.string(), (given, body, key) => {
        expect(verify(key, given, body)).toBeTypeOf("boolean");
        try {
          read(given, body);
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
        }
      }),
    );
  });

  test("never fails for JSON, whatever its shape", () => {
    const names = fc.constantFrom(
      "action",
      "repository",
      "full_name",
      "project",
      "issue",
      "number",
      "iid",
      "ref",
      "sender",
      "object_kind",
      "object_attributes",
      "check_run",
      "head_sha",
      "__proto__",
      "pull_request",
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof({ maxDepth: 4 }, fc.jsonValue(), fc.dictionary(names, tie("tree"))),
    }));
    fc.assert(
      fc.property(headers, tree, (given, value) => {
        const event = read(given, Buffer.from(JSON.stringify(value) ?? "null"));
        const { repository, login } = event ?? { repository: null, login: null };
        for (const text of [repository, login]) expect(text ?? "").toBeTypeOf("string");
      }),
    );
  });

  test("ignores what is no event", () => {
    expect(read({}, bytes({ action: "opened" }))).toBeNull();
    expect(read({}, bytes(null))).toBeNull();
    expect(() => read({}, Buffer.from("{"))).toThrow(SyntaxError);
  });
});
