import type { DiscussionSchema } from "@gitbeaker/rest";
import { notFound } from "../forge-double.js";
import { runGit } from "../../git/git.js";
import type { DoubleThread } from "../records.js";
import { pageOf, type PullAsked, type Routes } from "../routes.js";
import { noteOf } from "./issues.js";
import { inProject, PAGE, paged, requests } from "./paths.js";

const { ofPull } = inProject;
const lineEnd = { line_code: "string", type: "string" } as const;
const position = {
  position_type: "string",
  base_sha: "string",
  start_sha: "string",
  head_sha: "string",
  old_path: "string",
  new_path: "string",
  old_line: "number",
  new_line: "number",
  line_range: { start: lineEnd, end: lineEnd },
} as const;

export const threadRoutes: Routes = {
  [`GET ${requests}/{iid}/versions`]: {
    query: paged,
    answer: ofPull(async (asked) => ({ body: [await versionOf(asked)] })),
  },
  [`GET ${requests}/{iid}/versions/{version_id}`]: {
    answer: ofPull(async (asked) => {
      const version = await versionOf(asked);
      const range = `${version.base_commit_sha}..${version.head_commit_sha}`;
      const listed = await runGit(["diff", "--name-only", range], {
        cwd: asked.repository.folder,
      });
      const paths = listed.stdout.split("\n").filter(Boolean);
      const diffs = paths.map(async (path) => {
        const { stdout } = await runGit(["diff", range, "--", path], {
          cwd: asked.repository.folder,
        });
        return { old_path: path, new_path: path, diff: stdout.slice(stdout.indexOf("@@")) };
      });
      return { body: { ...version, diffs: await Promise.all(diffs) } };
    }),
  },
  [`GET ${requests}/{iid}/discussions`]: {
    query: paged,
    answer: ofPull((asked) => {
      const { pull } = asked;
      const single = pull.comments.map((one) => ({
        id: `single-${one.id}`,
        individual_note: true,
        notes: [noteOf(one)],
      }));
      return pageOf(asked, [...single, ...pull.threads.map(discussionOf)], PAGE);
    }),
  },
  [`POST ${requests}/{iid}/discussions`]: {
    body: { body: "string", position },
    answer: ofPull(({ repository, pull, body, login }) => {
      const at = body["position"] as Record<string, string & number>;
      const side: "old" | "new" =
        at["new_line"] === undefined && at["old_line"] !== undefined ? "old" : "new";
      const range = at["line_range"] as unknown as { start: { line_code: string } } | undefined;
      const codes = range?.start.line_code.split("_").map(Number);
      const place = {
        path: (side === "old" ? at["old_path"] : at["new_path"]) ?? "",
        line: at["new_line"] ?? at["old_line"] ?? null,
        startLine: codes?.[side === "old" ? 1 : 2] ?? null,
        side,
        sha: at["head_sha"] ?? "",
      };
      const made = repository.openThread(pull, login, place, String(body["body"]));
      return { status: 201, body: discussionOf(made) };
    }),
  },
  [`POST ${requests}/{iid}/discussions/{discussion_id}/notes`]: {
    body: { body: "string" },
    answer: ofPull(({ repository, pull, parts, body, login }) => {
      const thread = pull.threads.find(({ id }) => `discussion-${id}` === parts["discussion_id"]);
      if (!thread) return notFound;
      const made = repository.reply(pull, thread, login, String(body["body"]));
      return { status: 201, body: { ...noteOf(made), type: "DiffNote" } };
    }),
  },
  [`PUT ${requests}/{iid}/discussions/{discussion_id}`]: {
    query: { resolved: "boolean" },
    answer: ofPull(({ pull, parts, query }) => {
      const thread = pull.threads.find(({ id }) => `discussion-${id}` === parts["discussion_id"]);
      if (!thread) return notFound;
      thread.isResolved = query.get("resolved") === "true";
      return { body: discussionOf(thread) };
    }),
  },
};

async function versionOf({ repository, pull }: PullAsked) {
  const head = await repository.headOf(pull);
  const base = (await repository.sha(pull.base)) ?? "";
  const { stdout } = await runGit(["merge-base", base, head], { cwd: repository.folder });
  return {
    id: 1,
    head_commit_sha: head,
    base_commit_sha: stdout.trim(),
    start_commit_sha: base,
  };
}

function discussionOf(thread: DoubleThread) {
  const { path, line, startLine, side, sha } = thread;
  const at = (number: number | null) =>
    side === "old" ? { old_line: number, new_line: null } : { old_line: null, new_line: number };
  const shown = {
    head_sha: sha,
    old_path: path,
    new_path: path,
    position_type: line === null ? "file" : "text",
    ...at(line),
    line_range: startLine === null ? null : { start: at(startLine), end: at(line) },
  };
  return {
    id: `discussion-${thread.id}`,
    individual_note: false,
    notes: thread.comments.map((one) => ({
      ...noteOf(one),
      type: "DiffNote",
      resolvable: true,
      resolved: thread.isResolved,
      position: shown,
    })) as never,
  } satisfies Partial<DiscussionSchema>;
}
