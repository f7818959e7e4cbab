/** The command of each call of reviews, second opinions and threads. */
import type { ChangesSearch } from "#shared/api/work/reviews.js";
import type { CallName } from "#shared/contract/client.js";
import { type Format, note, type Row, writeLine } from "../output/print.js";
import { plain } from "../output/values.js";
import { type CallCommand, type WithoutCommand, written } from "./call-command.js";

type ReviewCall = Extract<
  CallName,
  `reviews.${string}` | `threads.${string}` | `opinions.${string}`
>;

/** Prints the lines that a search found, as `grep` does. */
function printMatches(item: Row, { quiet }: Format): void {
  const { matches, complete } = item as unknown as ChangesSearch;
  for (const { path, side, line, text } of matches) {
    const place = plain(`${path}:${line}`);
    writeLine(quiet === true ? place : `${place}: ${side === "new" ? "+" : "-"} ${plain(text)}`);
  }
  if (!complete) note("There are more; search for a longer text.");
}

export const reviewCommands: Record<ReviewCall, CallCommand | WithoutCommand> = {
  "reviews.changes": written("review show"),
  "reviews.file": { command: "review file", args: ["task_id", "path", "commit_sha"] },
  "reviews.search": {
    command: "review search",
    args: ["task_id", "q"],
    print: printMatches,
    examples: ["review search 12 roundHalfEven"],
  },
  "reviews.checks": {
    command: "review checks",
    columns: ["name", "status", "run_id", "detail"],
    examples: ["review checks 12"],
  },
  "reviews.list": {
    command: "review list",
    columns: ["id", "author.name", "verdict", "commit_sha", "counts", "created_at"],
    examples: ["review list 12"],
  },
  "reviews.publish": written("review submit"),
  "reviews.getDraft": written("review draft"),
  "reviews.saveDraft": written("review comment"),
  "reviews.deleteDraft": written("review draft --delete"),
  "reviews.setViewed": {
    command: "review viewed",
    args: ["task_id", "path", "commit_sha"],
    examples: ["review viewed 12 src/cart.js COMMIT"],
  },
  "opinions.ask": {
    command: "review ask",
    examples: [
      "review ask 12 --preset codex",
      "review ask 12 --preset claude-code --model opus --prompt 'Look at the rounding'",
    ],
  },
  "opinions.list": {
    command: "review opinions",
    columns: ["id", "title", "status", "verdict", "open_threads", "current", "detail"],
    examples: ["review opinions 12"],
  },
  "opinions.get": { command: "review opinion" },
  "opinions.retry": { command: "review retry" },
  "opinions.cancel": { command: "review cancel" },
  "opinions.dismiss": {
    command: "review dismiss",
    examples: ["review dismiss OPINION --reason 'The rounding is right'"],
  },
  "opinions.publish": {
    command: "review publish",
    examples: ["review publish \"$OMOI_OPINION_ID\" --verdict comment --body 'Nothing is wrong'"],
  },
  "threads.list": written("review threads"),
  "threads.get": { command: "review thread" },
  "threads.reply": written("review reply"),
  "threads.update": written("review resolve"),
  "threads.apply": written("review apply"),
  "threads.applyAll": written("review apply"),
};
