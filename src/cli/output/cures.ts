/** Commands that mend a refusal, by its code; the server's sentence does not know them. */
import type { Problem } from "#shared/errors.js";

const cures: Readonly<Record<string, (problem: Problem) => string>> = {
  missing_model_key: ({ secret }) =>
    typeof secret === "string"
      ? `Set the key with: omoi secret set ${secret} < key.txt (add --project PROJECT for one project alone)`
      : "Set the key with: omoi secret set NAME < key.txt",
  task_finished: () => "Reopen it with: omoi task update TASK --status open",
  no_attempt: () =>
    "Start it with omoi task retry TASK, or choose an attempt with omoi task choose TASK NUMBER",
  too_many_attempts: () => "Choose one with: omoi task choose TASK NUMBER",
  changes_moved: ({ commit_sha }) =>
    `Read the changes with omoi review show TASK, then add --commit ${typeof commit_sha === "string" ? commit_sha : "SHA"}`,
  threads_open: () =>
    "List them with omoi review threads TASK; omoi review resolve THREAD resolves one",
  suggestion_stale: () => "Ask the agent for the change: omoi task prompt TASK TEXT",
  no_suggestion: () => "List open suggestions with: omoi review threads TASK",
  nothing_to_retry: () => "Continue it with: omoi task prompt TASK TEXT",
};

/** Returns the command that mends a refusal; null if none does. */
export const cureOf = (problem: Problem): string | null => cures[problem.code]?.(problem) ?? null;
