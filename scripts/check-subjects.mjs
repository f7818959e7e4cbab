/**
 * Checks the subjects of commits, such as those of a pull request: `node scripts/check-subjects.mjs origin/main..HEAD`.
 * A subject names the area and the change in the imperative: `webhooks: retry deliveries after a timeout`.
 */
import { execFileSync } from "node:child_process";
import { fail, root } from "./prepare.mjs";

const MAX_LENGTH = 72;
/** Two words at least after the area: "e2e: a word" does not say what changed. */
const FORM = /^(?:[a-z0-9][a-z0-9 .,-]*: (?!an? )[^\s.]+(?: \S+)+(?<!\.)|Revert ".+")$/;

const [range = "HEAD~1..HEAD"] = process.argv.slice(2);
const log = execFileSync("git", ["log", "--no-merges", "--format=%h %s", range], {
  cwd: root,
  encoding: "utf8",
});
const wrong = log
  .split("\n")
  .filter((line) => line !== "")
  .filter((line) => {
    const subject = line.slice(line.indexOf(" ") + 1);
    return subject.length > MAX_LENGTH || !FORM.test(subject);
  });
if (wrong.length > 0) {
  fail(
    `these subjects are not "area: what changed" in at most ${MAX_LENGTH} characters without a period; ` +
      `change them by git rebase --interactive:\n${wrong.join("\n")}`,
  );
}
