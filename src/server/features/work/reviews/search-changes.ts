import type { z } from "zod";
import type { ChangesSearch, reviews } from "#shared/api/work/reviews.js";
import { searchDiff } from "#git/diff/search-diff.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import type { RunDeps } from "../../execution/runs/start.js";
import { atCommit, comparisonOf } from "./compare-changes.js";
import { readReviewed, reviewerOf } from "./reviewed-attempt.js";
import * as queries from "./reviews.queries.js";

const MAX_MATCHES = 200;
/** Lines among which whole names are found first: more than the answer has. */
const MAX_FOUND = 2000;

/** Finds text in the changed lines of an attempt. @throws AppError 404; 409 `no_attempt`; 422 */
export async function searchChanges(
  deps: RunDeps,
  context: CallerContext,
  taskId: string,
  query: z.output<typeof reviews.search.query>,
): Promise<ChangesSearch> {
  const { q, since, ignore_whitespace = false } = query;
  const newest = await readReviewed(deps, context, taskId, query.attempt_id);
  const reviewed = await atCommit(newest, query.commit_sha);
  const { repoPath, head } = reviewed;
  const last = await context.tx((tx) => queries.findLastReview(tx, taskId, reviewerOf(context)));
  const { from, foreign } = await comparisonOf(reviewed, since, last);
  const { matches, complete } = await searchDiff(repoPath, from, head, {
    text: q,
    limit: MAX_FOUND,
    ignoreWhitespace: ignore_whitespace,
  });
  const isWhole = wholeNames(q);
  const own = matches
    .filter(({ path }) => !foreign.has(path))
    .map((match) => ({ ...match, whole: isWhole(match.text) }));
  const sorted = [...own.filter(({ whole }) => whole), ...own.filter(({ whole }) => !whole)];
  return {
    commit_sha: head,
    matches: sorted.slice(0, MAX_MATCHES),
    complete: complete && sorted.length <= MAX_MATCHES,
  };
}

const isNameLetter = (letter: string | undefined): boolean =>
  letter !== undefined && /[\p{L}\p{N}_$]/u.test(letter);

/** Returns whether a line contains the text between other characters than those of names. */
function wholeNames(text: string): (line: string) => boolean {
  const wanted = text.toLowerCase();
  return (line) => {
    const lower = line.toLowerCase();
    for (let at = lower.indexOf(wanted); at !== -1; at = lower.indexOf(wanted, at + 1)) {
      if (!isNameLetter(lower[at - 1]) && !isNameLetter(lower[at + wanted.length])) return true;
    }
    return false;
  };
}
