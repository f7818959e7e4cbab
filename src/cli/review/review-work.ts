/** `omoi review`: changes, drafts and threads, for people and for an agent in its run. */
import type { Command } from "commander";
import { addDraftWork } from "./draft-work.js";
import { printChanges } from "./review-output.js";
import {
  addOfTask,
  attemptHelp,
  attemptIn,
  open,
  type ReviewOptions,
  withExamples,
} from "./reviewed-task.js";
import { addThreadWork } from "./thread-work.js";

/** The commands of reviews that are written by hand. */
export function addReviewWork(group: Command): void {
  withExamples(
    addOfTask(group, "show", "Show the changes of a task, and what its reviewers say")
      .option("--since <WHAT>", "base, last_review (your last one), or a commit", "base")
      .option("--diff", "print the lines instead of the counts")
      .option("--path <PATH>", "only this file")
      .option("--ignore-whitespace", "leave out lines that differ in whitespace alone")
      .option("--attempt <NUMBER>", attemptHelp),
    "review show 12",
    "review show 12 --since last_review --diff",
  ).action(show);
  addDraftWork(group);
  addThreadWork(group);
}

interface ShowOptions extends ReviewOptions {
  since: string;
  diff?: boolean;
  path?: string;
  ignoreWhitespace?: boolean;
}

async function show(name: string | undefined, options: ShowOptions): Promise<void> {
  const opened = await open(name, options);
  const { connection, task } = opened;
  const { since, path, ignoreWhitespace } = options;
  const { data } = await connection.api.reviews.changes({
    params: { task_id: task.id },
    query: {
      since,
      ...(path !== undefined && { path }),
      ...(ignoreWhitespace === true && { ignore_whitespace: "true" }),
      ...attemptIn(opened, options),
    },
  });
  printChanges(data, task, options);
}
