/** The draft of a review, and its publication. */
import { readFile } from "node:fs/promises";
import { text as readAll } from "node:stream/consumers";
import { type Command, Option } from "commander";
import type { Draft, NewComment, Side, Verdict } from "#shared/api/work/reviews.js";
import { ApiError } from "#shared/contract/call.js";
import { UsageError } from "../output/failures.js";
import { printJson, warn, writeLine } from "../output/print.js";
import { counted, placeText, printDraft, printReview, short } from "./review-output.js";
import {
  addOfTask,
  attemptHelp,
  attemptIn,
  open,
  type Opened,
  type ReviewOptions,
  textOf,
  withExamples,
} from "./reviewed-task.js";

export function addDraftWork(group: Command): void {
  withExamples(
    addOfTask(group, "comment", "Add a comment to the draft of your review", false)
      .argument("<PLACE>", "FILE:LINE, FILE:FIRST-LAST, or FILE for the whole file")
      .argument("[TEXT]", "the comment; - reads standard input")
      .addOption(
        new Option("--side <SIDE>", "old for lines that are removed; new by default").choices([
          "old",
          "new",
        ]),
      )
      .option(
        "--suggest <FILE>",
        "what should replace the lines, an empty file to delete them; - reads standard input",
      )
      .option("--attempt <NUMBER>", attemptHelp),
    "review comment 12 src/cart.js:40-44 'Round once, at the end'",
    "review comment 12 src/cart.js:7 --suggest line.txt",
  ).action(addComment);
  withExamples(
    addOfTask(group, "draft", "Show the draft of your review, or delete it").option(
      "--delete",
      "delete it",
    ),
    "review draft 12",
    "review draft 12 --delete",
  ).action(showDraft);
  withExamples(
    addOfTask(group, "submit", "Publish your review, with the comments of the draft")
      .option("--approve", "approve the changes")
      .option("--request-changes", "send the review to the agent as its next prompt")
      .option("--comment", "neither of both")
      .option("-m, --message <TEXT>", "the text of the review; - reads standard input")
      .option("--interrupt", "with --request-changes: end the turn that is in progress")
      .option("--commit <SHA>", "the commit that you read; by default the draft's or the newest")
      .option("--attempt <NUMBER>", attemptHelp),
    "review submit 12 --request-changes -m 'Two lines are wrong'",
    "review submit 12 --approve",
  ).action(submit);
}

/** The caller's draft; null if there is none. */
async function readDraft({ connection, task }: Opened): Promise<Draft | null> {
  try {
    return (await connection.api.reviews.getDraft({ params: { task_id: task.id } })).data;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

async function newestCommit(opened: Opened, options: ReviewOptions): Promise<string> {
  const { connection, task } = opened;
  const { data } = await connection.api.reviews.changes({
    params: { task_id: task.id },
    query: attemptIn(opened, options),
  });
  return data.commit_sha;
}

/** Comments of a draft as they are sent, on the newest commit: a comment whose lines are gone is then on its file. */
function movedComments({ comments, commit_sha, head_sha }: Draft): NewComment[] {
  const hasMoved = commit_sha !== head_sha;
  return comments.map(({ thread_id, path, side, line, start_line, body, suggestion, now }) => {
    if (thread_id !== null || path === null || side === null) {
      return { thread_id: thread_id ?? "", body, ...(suggestion !== null && { suggestion }) };
    }
    const place = hasMoved
      ? (now ?? { path, side, line: null, start_line: null })
      : { path, side, line, start_line };
    if (hasMoved && now === null) {
      warn(
        `${placeText({ path, side, line, start_line })} is gone; its comment is now on the file.`,
      );
    }
    return newComment(place, body, place.line === null ? null : suggestion);
  });
}

function newComment(
  {
    path,
    side,
    line,
    start_line,
  }: { path: string; side: Side; line: number | null; start_line: number | null },
  body: string,
  suggestion: string | null,
): NewComment {
  return {
    path,
    side,
    body,
    ...(line !== null && { line }),
    ...(line !== null && start_line !== null && { start_line }),
    ...(suggestion !== null && { suggestion }),
  };
}

interface CommentOptions extends ReviewOptions {
  side?: Side;
  suggest?: string;
}

async function addComment(
  name: string,
  placeGiven: string,
  given: string | undefined,
  options: CommentOptions,
): Promise<void> {
  const { suggest, side = "new" } = options;
  if (given === undefined && suggest === undefined) {
    throw new UsageError("Write the comment, or suggest lines with --suggest FILE.");
  }
  if (given === "-" && suggest === "-") {
    throw new UsageError("Only one of the comment and --suggest reads standard input.");
  }
  const place = { ...parsePlace(placeGiven), side };
  const suggestion = suggest === undefined ? null : await readSuggestion(suggest);
  const body = given === undefined ? "" : await textOf(given);
  const opened = await open(name, options);
  const { connection, task } = opened;
  const draft = await readDraft(opened);
  const before = draft === null ? [] : movedComments(draft);
  const commit_sha = draft?.head_sha ?? (await newestCommit(opened, options));
  const { data } = await connection.api.reviews.saveDraft({
    params: { task_id: task.id },
    body: {
      ...(draft !== null && {
        verdict: draft.verdict,
        body: draft.body,
        attempt_id: draft.attempt_id,
      }),
      ...(draft === null && attemptIn(opened, options)),
      commit_sha,
      comments: [...before, newComment(place, body, suggestion)],
    },
  });
  if (options.json === true || options.quiet === true) return printDraft(data, options);
  writeLine(
    `The draft has ${counted(data.comments.length, "comment")} on ${short(data.commit_sha)}. Publish it with: omoi review submit ${task.number} --request-changes`,
  );
}

/** Reads a place: `FILE`, `FILE:LINE` or `FILE:FIRST-LAST`. @throws UsageError */
function parsePlace(text: string): {
  path: string;
  line: number | null;
  start_line: number | null;
} {
  const [, path, first, last] = /^(.+):(\d{1,8})(?:-(\d{1,8}))?$/.exec(text) ?? [];
  if (path === undefined) return { path: text, line: null, start_line: null };
  const start_line = Number(first);
  const line = last === undefined ? start_line : Number(last);
  if (start_line === 0 || line < start_line) {
    throw new UsageError(`${text} names no lines. Lines count from 1: FILE:12 or FILE:12-14.`);
  }
  return { path, line, start_line };
}

/** Reads a suggestion; an empty text deletes the lines. @throws UsageError for a file that cannot be read */
async function readSuggestion(given: string): Promise<string> {
  try {
    return given === "-" ? await readAll(process.stdin) : await readFile(given, "utf8");
  } catch (error) {
    throw new UsageError(`--suggest: ${(error as Error).message}`);
  }
}

async function showDraft(
  name: string | undefined,
  options: ReviewOptions & { delete?: boolean },
): Promise<void> {
  const opened = await open(name, options);
  const { connection, task } = opened;
  if (options.delete === true) {
    await connection.api.reviews.deleteDraft({ params: { task_id: task.id } });
    if (options.json !== true && options.quiet !== true) writeLine("The draft is deleted.");
    return;
  }
  const draft = await readDraft(opened);
  if (draft !== null) return printDraft(draft, options);
  if (options.json === true) return printJson(null);
  if (options.quiet !== true) {
    writeLine(`There is no draft; omoi review comment ${task.number} FILE:LINE TEXT begins one.`);
  }
}

interface SubmitOptions extends ReviewOptions {
  approve?: boolean;
  requestChanges?: boolean;
  comment?: boolean;
  message?: string;
  interrupt?: boolean;
  commit?: string;
}

/** @throws UsageError unless exactly one option says it */
function verdictOf({ approve, requestChanges, comment }: SubmitOptions): Verdict {
  const given: Verdict[] = [
    ...(approve === true ? (["approve"] as const) : []),
    ...(requestChanges === true ? (["request_changes"] as const) : []),
    ...(comment === true ? (["comment"] as const) : []),
  ];
  const [verdict, another] = given;
  if (verdict === undefined || another !== undefined) {
    throw new UsageError("Say one of --approve, --request-changes and --comment.");
  }
  return verdict;
}

async function submit(name: string | undefined, options: SubmitOptions): Promise<void> {
  const verdict = verdictOf(options);
  const { message, interrupt } = options;
  if (interrupt === true && verdict !== "request_changes") {
    throw new UsageError("--interrupt belongs to --request-changes.");
  }
  const written = message === undefined ? undefined : await textOf(message);
  const opened = await open(name, options);
  const { connection, task } = opened;
  const draft = await readDraft(opened);
  const body = written ?? draft?.body ?? "";
  const commit_sha = await reviewedCommit(opened, draft, options);
  const { data } = await connection.api.reviews.publish({
    params: { task_id: task.id },
    body: {
      verdict,
      commit_sha,
      ...(body !== "" && { body }),
      ...(interrupt === true && { interrupt }),
      ...(draft === null ? attemptIn(opened, options) : { attempt_id: draft.attempt_id }),
      comments: draft === null ? [] : commentsOn(draft, commit_sha),
    },
  });
  printReview(data, options);
}

/** Returns the commit that the caller has read: the one given, the draft's, or the newest. */
async function reviewedCommit(
  opened: Opened,
  draft: Draft | null,
  options: SubmitOptions,
): Promise<string> {
  const { commit } = options;
  if (commit === undefined) return draft?.commit_sha ?? (await newestCommit(opened, options));
  const known =
    draft === null ? [await newestCommit(opened, options)] : [draft.head_sha, draft.commit_sha];
  return known.find((sha) => sha.startsWith(commit.toLowerCase())) ?? commit;
}

/** The comments of a draft for a review of that commit. */
const commentsOn = (draft: Draft, commit: string): NewComment[] =>
  movedComments(commit === draft.head_sha ? draft : { ...draft, head_sha: draft.commit_sha });
