import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { boolean, commitId, id, nullable, page, timestamp } from "../../contract/fields.js";
import { diff, diffFile } from "../code/commits.js";
import { person, requestCheck } from "../code/merge-requests.js";
import { allowed, startAgainErrors, taskParams } from "./tasks.js";

export const verdicts = ["approve", "request_changes", "comment"] as const;
export type Verdict = (typeof verdicts)[number];

export const sides = ["old", "new"] as const;
export type Side = (typeof sides)[number];

/** Maximum bytes of a comment, a suggestion and the body of a review. */
export const MAX_COMMENT_BYTES = 64 * 1024;
/** Maximum comments of one review. */
export const MAX_REVIEW_COMMENTS = 500;
const MAX_PATH_BYTES = 4096;
const MAX_LINE = 10_000_000;
/** Maximum lines of a file in one answer. */
export const MAX_FILE_LINES = 5000;
/** Maximum files of one answer whose lines are asked for by path. */
export const MAX_PATCHED_FILES = 100;

// The texts become prompts and lines of files: a terminal must not take a part of them for a command.
const isPlain = (text: string): boolean =>
  // oxlint-disable-next-line no-control-regex
  !/[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F]/.test(text);
const byteLength = (text: string): number => new TextEncoder().encode(text).length;
export const plain = z
  .string()
  .refine(isPlain, "must not contain control characters")
  .refine((value) => byteLength(value) <= MAX_COMMENT_BYTES, "must be at most 64 KiB");

export const commentText = plain.refine((value) => value.trim() !== "", "must not be empty");
const suggestionText = plain.describe(
  "The text that should replace the lines, at most 64 KiB; an empty text deletes them",
);
const filePath = z
  .string()
  .min(1)
  .refine((value) => !value.includes("\u0000"), "must not contain NUL")
  .refine((value) => byteLength(value) <= MAX_PATH_BYTES, "must be at most 4096 bytes")
  .describe("Path of the file on that side of the change");
const lineNumber = z.int().min(1).max(MAX_LINE);

export const newComment = z
  .strictObject({
    thread_id: id.optional().describe("A thread of the task to comment in, instead of a place"),
    path: filePath.optional(),
    side: z
      .enum(sides)
      .optional()
      .describe("`new` (the default) for lines of the change, `old` for lines that it removes"),
    line: lineNumber
      .optional()
      .describe("The last commented line, from 1; without it the comment is on the whole file"),
    start_line: lineNumber.optional().describe("The first commented line; by default `line`"),
    body: plain.describe("At most 64 KiB; may be empty beside a suggestion"),
    suggestion: suggestionText.optional(),
  })
  .refine((value) => (value.thread_id === undefined) !== (value.path === undefined), {
    path: ["path"],
    error: "needs a path, or a thread_id alone",
  })
  .refine((value) => value.body.trim() !== "" || value.suggestion !== undefined, {
    path: ["body"],
    error: "must not be empty",
  })
  .refine((value) => (value.start_line ?? 0) <= (value.line ?? 0), {
    path: ["start_line"],
    error: "must not be after line",
  })
  .refine(
    ({ suggestion, line, side, thread_id }) =>
      suggestion === undefined || thread_id !== undefined || (line !== undefined && side !== "old"),
    { path: ["suggestion"], error: "needs a line of the new side" },
  );
export type NewComment = z.output<typeof newComment>;

const draftFields = {
  verdict: z.enum(verdicts).optional().describe("What the review will say; `comment` by default"),
  body: plain.optional().describe("Text of the review, at most 64 KiB"),
  comments: z
    .array(newComment)
    .max(MAX_REVIEW_COMMENTS)
    .default([])
    .describe("Comments on lines, files and in threads, at most 500"),
  commit_sha: commitId.describe("The commit that was read: `commit_sha` of the changes"),
  attempt_id: id.optional().describe("The attempt, if there are several and none is chosen"),
};

export const newReview = z
  .strictObject({
    ...draftFields,
    verdict: z
      .enum(verdicts)
      .describe(
        "`request_changes` sends the review to the agent as its next prompt; `approve` counts for this commit",
      ),
    interrupt: z
      .boolean()
      .optional()
      .describe(
        "With `request_changes`: ends the agent's turn, if one is in progress. By default the prompt waits for its end.",
      ),
  })
  .refine(
    ({ verdict, body, comments }) =>
      verdict === "approve" || comments.length > 0 || (body ?? "").trim() !== "",
    { path: ["body"], error: "must not be empty without comments" },
  );
export type NewReview = z.output<typeof newReview>;

export const newDraft = z.strictObject(draftFields);
export type NewDraft = z.output<typeof newDraft>;

/** A place in the change: a range of lines, or a whole file. */
export const place = z.strictObject({
  path: z.string().describe("Path of the file"),
  side: z.enum(sides).describe("`new` for lines of the change, `old` for lines that it removes"),
  line: nullable.integer.describe("The last line, from 1; null for the whole file"),
  start_line: nullable.integer.describe("The first line; null for the whole file"),
});
export type Place = z.output<typeof place>;

const draft = z.strictObject({
  task_id: id.describe("Id of the task"),
  attempt_id: id.describe("Id of the attempt"),
  verdict: z.enum(verdicts).describe("What the review will say"),
  body: z.string().describe("Text of the review; may be empty"),
  comments: z
    .array(
      z.strictObject({
        thread_id: nullable.id.describe("The thread it is in; null for a new one"),
        ...place.shape,
        path: nullable.string.describe("Path of the file; null in a thread that exists"),
        side: z.enum(sides).nullable().describe("Side of the change; null in a thread that exists"),
        body: z.string().describe("Text of the comment"),
        suggestion: nullable.string.describe("Text that should replace the lines; null without"),
        now: place
          .nullable()
          .describe("Its place in the newest commit; null if it is outdated, or in a thread"),
      }),
    )
    .describe("The comments, in the order they were sent"),
  commit_sha: z.string().describe("The commit that was read"),
  head_sha: z.string().describe("The newest commit of the attempt"),
  updated_at: timestamp.describe("Time of the last change"),
});
export type Draft = z.output<typeof draft>;

export const review = z.strictObject({
  id: id.describe("Id of the review"),
  task_id: id.describe("Id of the task"),
  attempt_id: id.describe("Id of the reviewed attempt"),
  author: person.describe("Who reviewed"),
  opinion_id: nullable.id.describe("The second opinion that it is; null for a review of its own"),
  verdict: z.enum(verdicts).describe("What the review says"),
  body: z.string().describe("Text of the review; may be empty"),
  commit_sha: z.string().describe("The commit that was reviewed"),
  base_sha: z.string().describe("The commit that the change was compared with"),
  patch_id: nullable.string.describe(
    "Identifies the reviewed change, whatever it is based on (`git patch-id --stable`); null without changes",
  ),
  counts: z
    .boolean()
    .describe("Whether it is an approval that counts for the newest commit of the attempt"),
  dismissed_at: nullable.timestamp.describe(
    "When the approval ended because the change differs; null otherwise",
  ),
  latest: z.boolean().describe("Whether it is the author's newest approval or request for changes"),
  prompt: z
    .enum(["waiting", "delivered", "cancelled"])
    .nullable()
    .describe("Whether the agent has got the review as its prompt; null if it is none"),
  thread_ids: z.array(id).describe("Threads with comments of the review"),
  created_at: timestamp.describe("Time of the review"),
});
export type Review = z.output<typeof review>;

/** A file of a change with what the caller knows of it. */
export const changedFile = diffFile.extend({
  blob_id: nullable.string.describe("Id of the new content; null for a deleted file"),
  old_blob_id: nullable.string.describe("Id of the old content; null for a new file"),
  viewed: z.boolean().describe("Whether the caller has marked this content as seen"),
  generated: z
    .boolean()
    .describe("Whether `.gitattributes` marks it as generated, or it is a lock file"),
});
export type ChangedFile = z.output<typeof changedFile>;

const changes = z.strictObject({
  task_id: id.describe("Id of the task"),
  attempt_id: id.describe("The attempt whose changes these are"),
  commit_sha: z
    .string()
    .describe("The newest commit of the attempt, or the one that was asked for"),
  target_branch: z.string().describe("Branch that it merges into"),
  target_sha: z.string().describe("Newest commit of that branch"),
  base_sha: z
    .string()
    .describe("The commit with the old side: the merge base, or the commit of `since`"),
  since: z
    .strictObject({
      kind: z.enum(["base", "last_review", "commit"]).describe("What it is compared with"),
      commit_sha: z.string().describe("The commit that was asked for, or reviewed"),
      review_id: nullable.id.describe("The caller's last review; null otherwise"),
      complete: z
        .boolean()
        .describe("False if changes of the target branch could not be left out, and are in it"),
    })
    .describe("What it is compared with. `last_review` is `base` for a caller without a review."),
  files: z.array(changedFile).describe("The changed files, by path"),
  stats: diff.shape.stats.describe("Sums over all files"),
  has_draft: z.boolean().describe("Whether the caller has an unpublished review of the task"),
  approval: z
    .strictObject({
      approve: allowed.describe("Whether an approval by the caller would count"),
      required: z.int().describe("Number of people who must approve"),
      given: z.int().describe("Number of people whose approval counts"),
      open_threads: z.int().describe("Threads that are not resolved"),
      resolve_threads: z.boolean().describe("Whether open threads hold the merge up"),
      dismiss_stale_approvals: z
        .boolean()
        .describe("Whether an approval ends when the change differs"),
      reviewers: z
        .array(
          z.strictObject({
            by: person.describe("Who reviewed"),
            verdict: z.enum(verdicts).describe("The newest verdict"),
            review_id: id.describe("Id of that review"),
            commit_sha: z.string().describe("The commit that was reviewed"),
            counts: z.boolean().describe("Whether it is an approval that counts now"),
            at: timestamp.describe("Time of the review"),
          }),
        )
        .describe("The newest verdict of each reviewer, newest first"),
    })
    .describe("Who has approved, and what is missing"),
});
export type Changes = z.output<typeof changes>;

const fileLines = z.strictObject({
  path: z.string().describe("Path of the file"),
  commit_sha: z.string().describe("The commit"),
  blob_id: z.string().describe("Id of the content"),
  size: z.int().describe("Size in bytes"),
  binary: z.boolean().describe("Whether it is a binary file"),
  total_lines: nullable.integer.describe("Lines of the file; null for a binary file"),
  start_line: z.int().describe("Number of the first line in the answer"),
  lines: z.array(z.string()).describe("At most 5000 lines without their ends"),
  image: z
    .strictObject({
      media_type: z
        .enum(["image/png", "image/jpeg", "image/gif", "image/webp"])
        .describe("Judged by the content"),
      base64: z.string().describe("The image"),
    })
    .nullable()
    .describe("An image of at most 1 MiB; null for other files"),
});
export type FileLines = z.output<typeof fileLines>;

const attemptQuery = {
  attempt_id: id.optional().describe("The attempt, if there are several and none is chosen"),
};

const changesSearch = z.strictObject({
  commit_sha: z.string().describe("The commit that was searched"),
  matches: z
    .array(
      z.strictObject({
        path: z.string().describe("Path of the file, as in the changes"),
        side: z.enum(sides).describe("`new` for an added line, `old` for a removed one"),
        line: z.int().describe("Number of the line, from 1"),
        text: z.string().describe("The line, at most its first 400 characters"),
        whole: z.boolean().describe("Whether the text is a whole name there, not a part of one"),
      }),
    )
    .describe(
      "At most 200 lines: those with whole names first, each group in the order of the files",
    ),
  complete: z.boolean().describe("Whether these are all lines with the text"),
});
export type ChangesSearch = z.output<typeof changesSearch>;

const changesSince = z
  .union([z.enum(["base", "last_review"]), commitId])
  .default("base")
  .describe(
    "`base`; `last_review` of the caller, without what a merge of the target brought in; or a commit",
  );

export const reviews = {
  changes: endpoint({
    method: "GET",
    path: "/api/v1/tasks/{task_id}/changes",
    access: "project:task:read",
    tenant: "params.task_id",
    summary:
      "Get what would land in the target branch, or what has changed since a commit or the caller's last review",
    params: taskParams,
    query: z.strictObject({
      since: changesSince,
      ignore_whitespace: boolean
        .optional()
        .describe("Whether lines that differ in whitespace alone count as equal"),
      path: z
        .string()
        .min(1)
        .max(MAX_PATH_BYTES)
        .optional()
        .describe("Only this file, and as many as `files` says that follow it"),
      files: z.coerce
        .number()
        .int()
        .min(1)
        .max(MAX_PATCHED_FILES)
        .default(1)
        .describe("Number of files from `path` on, at most 100"),
      patches: z
        .enum(["all", "first", "none"])
        .default("all")
        .describe(
          "Whose lines are read: of `all` files, of the `first` ones, which fill a screen, or of none. `patch` of the others is null.",
        ),
      commit_sha: commitId
        .optional()
        .describe("The commit of the attempt to show; by default the newest one"),
      ...attemptQuery,
    }),
    response: changes,
    errors: ["no_attempt", "workspace_not_active"],
  }),
  file: endpoint({
    method: "GET",
    path: "/api/v1/tasks/{task_id}/changes/file",
    access: "project:task:read",
    tenant: "params.task_id",
    summary: "Get lines of a file around a change, or an image",
    params: taskParams,
    query: z.strictObject({
      path: z.string().min(1).max(MAX_PATH_BYTES).describe("Path of the file in that commit"),
      commit_sha: commitId.describe("`commit_sha` or `base_sha` of the changes"),
      start_line: z.coerce.number().int().min(1).max(MAX_LINE).default(1).describe("First line"),
      end_line: z.coerce
        .number()
        .int()
        .min(1)
        .max(MAX_LINE)
        .optional()
        .describe("Last line; by default 5000 lines"),
      ...attemptQuery,
    }),
    response: fileLines,
    errors: ["no_attempt", "workspace_not_active"],
  }),
  search: endpoint({
    method: "GET",
    path: "/api/v1/tasks/{task_id}/changes/search",
    access: "project:task:read",
    tenant: "params.task_id",
    summary: "Find text in the changed lines of all files",
    params: taskParams,
    query: z.strictObject({
      q: z
        .string()
        .min(2)
        .max(200)
        .refine((value) => !value.includes("\u0000"), "must not contain NUL")
        .describe("The text, such as a name; letters match in either case unless one is uppercase"),
      since: changesSince,
      ignore_whitespace: boolean
        .optional()
        .describe("Whether lines that differ in whitespace alone count as equal"),
      commit_sha: commitId
        .optional()
        .describe("The commit of the attempt to search; by default the newest one"),
      ...attemptQuery,
    }),
    response: changesSearch,
    errors: ["no_attempt", "workspace_not_active"],
  }),
  checks: endpoint({
    method: "GET",
    path: "/api/v1/tasks/{task_id}/checks",
    access: "project:task:read",
    tenant: "params.task_id",
    summary:
      "List the checks of the target branch on the change in review; the merge queue uses their results where its candidate has the same files",
    params: taskParams,
    query: z.strictObject(attemptQuery),
    response: z.array(requestCheck),
    errors: ["no_attempt", "workspace_not_active"],
  }),
  list: endpoint({
    method: "GET",
    path: "/api/v1/tasks/{task_id}/reviews",
    access: "project:task:read",
    tenant: "params.task_id",
    summary: "List the reviews of a task, newest first",
    params: taskParams,
    query: page,
    response: z.array(review),
  }),
  publish: endpoint({
    method: "POST",
    path: "/api/v1/tasks/{task_id}/reviews",
    access: "project:task:write",
    tenant: "params.task_id",
    summary: "Publish a review, and delete the caller's draft",
    params: taskParams,
    body: newReview,
    response: review,
    errors: [
      ...startAgainErrors,
      "task_finished",
      "no_attempt",
      "attempt_archived",
      "changes_moved",
      "own_work",
      "too_many_threads",
      "too_many_comments",
      "too_many_prompts",
      "session_closed",
    ],
  }),
  getDraft: endpoint({
    method: "GET",
    path: "/api/v1/tasks/{task_id}/reviews/draft",
    access: "project:task:write",
    tenant: "params.task_id",
    summary: "Get the caller's unpublished review",
    params: taskParams,
    response: draft,
    errors: ["workspace_not_active"],
  }),
  saveDraft: endpoint({
    method: "PUT",
    path: "/api/v1/tasks/{task_id}/reviews/draft",
    access: "project:task:write",
    tenant: "params.task_id",
    summary: "Save the caller's unpublished review, which no other person sees",
    params: taskParams,
    body: newDraft,
    response: draft,
    errors: ["no_attempt", "task_finished", "workspace_not_active"],
  }),
  deleteDraft: endpoint({
    method: "DELETE",
    path: "/api/v1/tasks/{task_id}/reviews/draft",
    access: "project:task:write",
    tenant: "params.task_id",
    summary: "Delete the caller's unpublished review",
    params: taskParams,
  }),
  setViewed: endpoint({
    method: "PUT",
    path: "/api/v1/tasks/{task_id}/viewed",
    access: "project:task:write",
    tenant: "params.task_id",
    summary: "Mark a file as seen by the caller; it is unseen again once it changes",
    params: taskParams,
    body: z.strictObject({
      path: filePath,
      commit_sha: commitId.describe("The commit that was read"),
      viewed: z.boolean().default(true).describe("False marks it as unseen"),
      attempt_id: id.optional().describe("The attempt, if there are several and none is chosen"),
    }),
    response: z.strictObject({
      path: z.string().describe("Path of the file"),
      viewed: z
        .boolean()
        .describe("Whether its newest content is seen; false if it has changed meanwhile"),
    }),
    errors: ["no_attempt", "workspace_not_active"],
  }),
};
