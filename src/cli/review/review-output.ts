/** Changes, threads and reviews as text. */
import type { Changes, Draft, Place, Review, Verdict } from "#shared/api/work/reviews.js";
import type { Thread } from "#shared/api/work/threads.js";
import type { Task } from "#shared/api/work/tasks.js";
import { type Format, printItem, printJson, printRows, writeLine } from "../output/print.js";
import { styled } from "../output/style.js";
import { plain, shownValue } from "../output/values.js";

const SHORT = 12;
export const short = (sha: string): string => sha.slice(0, SHORT);

/** "1 file", "2 files". */
export const counted = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? "" : "s"}`;

export const verdictText: Readonly<Record<Verdict, string>> = {
  approve: "approves",
  request_changes: "requests changes",
  comment: "comments",
};

/** Prints the changes of a task: files with counts, and what its reviewers say. */
export function printChanges(
  changes: Changes,
  task: Task,
  format: Format & { diff?: boolean },
): void {
  if (format.json === true) return printJson(changes);
  if (format.quiet === true) {
    for (const { path } of changes.files) writeLine(plain(path));
    return;
  }
  if (format.diff === true) {
    for (const { path, patch, binary, truncated } of changes.files) {
      if (patch === null)
        writeLine(`${plain(path)}: ${binary ? "binary file" : "no lines differ"}`);
      else writeLine(plain(patch.replace(/\n$/, ""), "field"));
      if (truncated) writeLine(styled("dim", `${plain(path)}: the rest is left out`));
    }
    return;
  }
  const { stats, approval, since } = changes;
  const { approve, required, given, open_threads, resolve_threads } = approval;
  printItem(
    {
      task: `#${task.number} ${task.title}`,
      changes: `${counted(stats.files_changed, "file")} +${stats.additions} -${stats.deletions}`,
      commit: `${short(changes.commit_sha)}, into ${changes.target_branch}`,
      ...(since.kind !== "base" && { since: sinceText(changes) }),
      ...(required > 0 && { approvals: `${given} of ${required}` }),
      threads: `${open_threads} open${resolve_threads && open_threads > 0 ? ", which hold the merge up" : ""}`,
      ...(!approve.allowed && { you: approve.reason }),
    },
    {},
  );
  if (changes.files.length > 0) {
    writeLine("");
    printRows(
      changes.files.map(({ path, old_path, status, additions, deletions, viewed, ...file }) => ({
        file: old_path === null ? path : `${old_path} -> ${path}`,
        status,
        lines: file.binary ? "binary" : `+${additions ?? 0} -${deletions ?? 0}`,
        seen: viewed,
        note: file.generated ? "generated" : null,
      })),
      ["file", "status", "lines", "seen", "note"],
      {},
    );
  }
  if (approval.reviewers.length === 0) return;
  writeLine("");
  printRows(
    approval.reviewers.map(({ by, verdict, commit_sha, counts, at }) => ({
      reviewer: by.name,
      verdict:
        verdict === "approve" && !counts ? "approved an earlier change" : verdictText[verdict],
      commit: short(commit_sha),
      at,
    })),
    ["reviewer", "verdict", "commit", "at"],
    {},
  );
}

function sinceText({ since, base_sha }: Changes): string {
  const what = since.kind === "last_review" ? "your last review" : "a commit";
  const rest = since.complete ? "" : "; with changes of the target branch";
  return `${what} (${short(since.kind === "commit" ? base_sha : since.commit_sha)})${rest}`;
}

/** "src/a.ts:3-4", "src/a.ts:3 (old side)", or "src/a.ts" for the whole file. */
export function placeText({ path, side, line, start_line }: Place): string {
  const lines =
    line === null
      ? ""
      : `:${start_line === null || start_line === line ? "" : `${start_line}-`}${line}`;
  return `${plain(path)}${lines}${side === "old" ? " (old side)" : ""}`;
}

/** Prints threads with their lines and conversation. */
export function printThreads(threads: readonly Thread[], format: Format): void {
  if (format.json === true || format.quiet === true) return printRows(threads, [], format);
  if (threads.length === 0) return writeLine("No threads.");
  for (const [index, thread] of threads.entries()) {
    if (index > 0) writeLine("");
    printThread(thread);
  }
}

function printThread(thread: Thread): void {
  const { original, suggestion } = thread;
  writeLine(styled("bold", `${placeText(thread)}  ${stateOf(thread)}`));
  writeLine(styled("dim", `thread ${thread.id}`));
  if (original.text !== null) writeBlock(original.text, "| ");
  for (const { author, created_at, body, suggestion: text } of thread.comments) {
    writeLine(`${styled("bold", plain(author.name))}, ${shownValue("at", created_at, "cell")}:`);
    if (body !== "") writeBlock(body, "  ");
    if (text === null) continue;
    writeLine(text === "" ? "  suggests to delete the lines" : "  suggests:");
    if (text !== "") writeBlock(text, "  + ");
  }
  if (suggestion !== null) writeLine(`Suggestion: ${suggestionState(suggestion)}`);
}

function suggestionState({ state, commit_sha }: NonNullable<Thread["suggestion"]>): string {
  if (commit_sha !== null) return `applied by ${short(commit_sha)}`;
  return state === "outdated" ? "the lines have changed, so it can no longer be applied" : "open";
}

function stateOf({ outdated, resolved_by, resolved_without_change, original }: Thread): string {
  const parts = [
    ...(outdated ? [`outdated, written on ${short(original.commit_sha)}`] : []),
    resolved_by === null
      ? "open"
      : `resolved by ${plain(resolved_by.name)}${resolved_without_change ? " without a change" : ""}`,
  ];
  return parts.join("; ");
}

function writeBlock(text: string, prefix: string): void {
  for (const line of plain(text, "field").replace(/\n$/, "").split("\n")) {
    writeLine(`${prefix}${line}`.trimEnd());
  }
}

/** Prints an unpublished review. */
export function printDraft(draft: Draft, format: Format): void {
  if (format.json === true) return printJson(draft);
  if (format.quiet === true) return;
  const { comments, body, commit_sha, head_sha, verdict } = draft;
  writeLine(
    `Draft on ${short(commit_sha)}, which ${verdictText[verdict]}, with ${counted(comments.length, "comment")}.`,
  );
  if (commit_sha !== head_sha) writeLine(`The newest commit is ${short(head_sha)}.`);
  if (body !== "") writeBlock(body, "  ");
  for (const comment of comments) {
    const { thread_id, path, side, line, start_line, now, suggestion } = comment;
    const isPlace = path !== null && side !== null;
    const where = isPlace
      ? placeText(now ?? { path, side, line, start_line })
      : `In thread ${thread_id ?? ""}`;
    writeLine("");
    writeLine(styled("bold", isPlace && now === null ? `${where}  outdated` : where));
    if (comment.body !== "") writeBlock(comment.body, "  ");
    if (suggestion === null) continue;
    writeLine(suggestion === "" ? "  suggests to delete the lines" : "  suggests:");
    if (suggestion !== "") writeBlock(suggestion, "  + ");
  }
}

/** Says what was published, and what the agent gets. */
export function printReview(review: Review, format: Format): void {
  if (format.json === true || format.quiet === true) return printItem({ ...review }, format);
  const { verdict, thread_ids, commit_sha, prompt, counts } = review;
  const said = {
    approve: `Approved ${short(commit_sha)}.${counts ? "" : " It does not count for the newest commit."}`,
    request_changes: `Requested changes of ${short(commit_sha)}.`,
    comment: `Commented on ${short(commit_sha)}.`,
  }[verdict];
  const threads = thread_ids.length;
  writeLine(threads === 0 ? said : `${said} ${counted(threads, "thread")}.`);
  if (prompt === "waiting") writeLine("The agent gets it as its next prompt, after its turn.");
  if (prompt === "delivered") writeLine("The agent has got it as its prompt.");
}
