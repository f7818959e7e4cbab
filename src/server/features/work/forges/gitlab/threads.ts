import { MergeRequestDiscussions, MergeRequests } from "@gitbeaker/rest";
import {
  MAX_COMMENTS,
  type ForgeDiscussion,
  type NewRemoteThread,
  type RemoteThread,
} from "../forge-discussion.js";
import { ForgeError } from "../forge.js";
import type { GitlabOptions } from "./client.js";
import { commentOf } from "./discussion.js";
import { findDiffLine, lineCode } from "./diff-line.js";

const PAGE = 100;

type ThreadCalls = Pick<
  ForgeDiscussion,
  "listThreads" | "createThread" | "replyToThread" | "resolveThread"
>;

export function threadCalls(options: GitlabOptions): ThreadCalls {
  const requests = new MergeRequests(options);
  const discussions = new MergeRequestDiscussions(options);
  const at = (repository: string, number: number) =>
    ({ repository, kind: "pull_request", number }) as const;

  return {
    listThreads: async (repository, number) => {
      const found = await discussions.all(repository, number, {
        perPage: PAGE,
        maxPages: MAX_COMMENTS / PAGE,
      });
      const threads = found.map((one) => threadOf(options.host, at(repository, number), one));
      let comments = 0;
      return threads.filter((thread) => {
        comments += thread?.comments.length ?? 0;
        return thread !== null && comments <= MAX_COMMENTS;
      }) as RemoteThread[];
    },
    createThread: async (repository, number, thread) => {
      const position = await positionOf(requests, repository, number, thread);
      const project = encodeURIComponent(repository);
      // The client's own function sends a form, in which paths with `&` are cut.
      const made = await discussions.requester.post(
        `${project}/merge_requests/${number}/discussions`,
        { body: { body: thread.body, position } },
      );
      const shown = threadOf(
        options.host,
        at(repository, number),
        made.body as unknown as Discussion,
      );
      if (!shown) throw new ForgeError("refused", "The forge made a comment without a place.");
      return shown;
    },
    replyToThread: async (repository, number, threadId, body) =>
      commentOf(
        options.host,
        at(repository, number),
        await discussions.addNote(repository, number, threadId, body),
      ),
    resolveThread: async (repository, number, threadId, resolved) => {
      await discussions.resolve(repository, number, threadId, resolved);
    },
  };
}

interface Position {
  head_sha?: string;
  old_path?: string | null;
  new_path?: string | null;
  old_line?: number | null;
  new_line?: number | null;
  line_range?: { start?: { old_line?: number | null; new_line?: number | null } } | null;
}

interface Discussion {
  id: string;
  notes?: unknown;
}

interface DiffNote {
  id: number;
  type: string | null;
  body: string;
  author: { username: string } | null;
  created_at: string;
  updated_at: string;
  system: boolean;
  resolved?: boolean;
  position?: Position | null;
}

/** Returns a discussion at a place; null for one that has none. */
function threadOf(
  host: string,
  at: { repository: string; kind: "pull_request"; number: number },
  { id, notes }: Discussion,
): RemoteThread | null {
  const all = ((notes ?? []) as DiffNote[]).filter(({ system }) => !system);
  const [first] = all;
  if (first?.type !== "DiffNote" || !first.position) return null;
  const { head_sha, old_path, new_path, old_line, new_line, line_range } = first.position;
  const side = new_line == null && old_line != null ? "old" : "new";
  const line = (side === "old" ? old_line : new_line) ?? null;
  const start = line_range?.start;
  const startLine = (side === "old" ? start?.old_line : start?.new_line) ?? null;
  return {
    id,
    path: (side === "old" ? old_path : new_path) ?? new_path ?? old_path ?? "",
    line,
    start_line: startLine === line ? null : startLine,
    side,
    commit_sha: head_sha ?? null,
    resolved: first.resolved === true,
    comments: all.map((note) => commentOf(host, at, note)),
  };
}

/** Returns where GitLab puts a comment: in the version of the request that has the commit, else in its newest. */
async function positionOf(
  requests: MergeRequests,
  repository: string,
  number: number,
  { commit_sha: sha, path, line, start_line: startLine, side }: NewRemoteThread,
): Promise<object> {
  const versions = await requests.allDiffVersions(repository, number);
  const version = versions.find((one) => one.head_commit_sha === sha) ?? versions[0];
  if (!version) throw new ForgeError("refused", "The request changes nothing yet.");
  const { diffs } = await requests.showDiffVersion(repository, number, version.id);
  const file = diffs.find((one) => (side === "old" ? one.old_path : one.new_path) === path);
  if (!file) throw new ForgeError("refused", `The request does not change ${path}.`);
  const place = {
    baseSha: version.base_commit_sha,
    startSha: version.start_commit_sha,
    headSha: version.head_commit_sha,
    oldPath: file.old_path,
    newPath: file.new_path,
  };
  if (line === null) return { ...place, positionType: "file" };
  const end = findDiffLine(file.diff, side, line);
  // An unchanged line is named by both of its numbers.
  const lines = {
    ...(end.type !== "new" && { oldLine: end.old }),
    ...(end.type !== "old" && { newLine: end.new }),
  };
  if (startLine === null || startLine >= line) return { ...place, positionType: "text", ...lines };
  const start = findDiffLine(file.diff, side, startLine);
  const lineRange = { start: lineCode(file.new_path, start), end: lineCode(file.new_path, end) };
  return { ...place, positionType: "text", ...lines, lineRange };
}
