/** What has happened since an issue or a pull request was seen last. Order and repetition of events do not matter. */
import type { SeenState } from "../../../../../db/tables/forge-event-tables.js";
import type {
  RemoteComment,
  RemoteIssue,
  RemoteReview,
  RemoteThread,
} from "../../forge-discussion.js";
import type { RemotePullRequest } from "../../forge.js";

/** A change that automations may listen to. The key names it once, whatever order changes are seen in. */
export type Change =
  | { type: "issue.opened" | "pull_request.opened"; key: "opened" }
  | { type: "issue.labeled"; key: string; label: string }
  | { type: "issue.assigned"; key: string; assignee: string }
  | { type: "issue.commented" | "pull_request.commented"; key: string; comment: RemoteComment }
  | {
      type: "pull_request.review_submitted";
      key: string;
      review: RemoteReview | null;
      comments: ThreadComment[];
    }
  | { type: "pull_request.check_failed"; key: string; check: { name: string; url: string | null } };

/** A comment at a place of a pull request. */
export interface ThreadComment {
  thread: RemoteThread;
  comment: RemoteComment;
}

export const nothingSeen: SeenState = {
  changed_at: null,
  labels: [],
  assignees: [],
  counts: {},
  comments_until: null,
  comment_ids: [],
  review_ids: [],
  red: null,
};

/** Ids are kept so long after the time that comments were read until: forges show some late, and count in seconds. */
const OVERLAP_MS = 5 * 60_000;
/** The clock of a forge may be behind so much. */
const SKEW_MS = 5000;
const MAX_IDS = 1000;

/** Returns since when comments have to be read: those that are older were seen. */
export function commentsSince({ comments_until }: SeenState, linkedAt: string): string {
  const from = Math.max(
    Date.parse(linkedAt) - SKEW_MS,
    comments_until === null ? 0 : Date.parse(comments_until) - OVERLAP_MS,
  );
  // Forges count in seconds.
  return new Date(Math.floor(from / 1000) * 1000).toISOString();
}

/**
 * Compares an issue with what was seen of it.
 * @param before null at its first sight
 * @param isOld whether it was there before the project was linked: its state at the first sight is no change
 */
export function changesOfIssue(
  before: SeenState | null,
  issue: Pick<RemoteIssue, "labels" | "assignees" | "updated_at">,
  isOld: boolean,
): { after: SeenState; changes: Change[] } {
  const { labels, assignees, updated_at: changed_at } = issue;
  const now = { labels, assignees, changed_at };
  if (before === null && isOld) return { after: { ...nothingSeen, ...now }, changes: [] };
  const known = before ?? nothingSeen;
  const counts = { ...known.counts };
  const changes: Change[] = before === null ? [{ type: "issue.opened", key: "opened" }] : [];
  const once = (name: string): string => {
    counts[name] = (counts[name] ?? 0) + 1;
    return `${name} ${counts[name]}`;
  };
  for (const label of labels) {
    if (known.labels.includes(label)) continue;
    changes.push({ type: "issue.labeled", key: once(`label ${label}`), label });
  }
  for (const assignee of assignees) {
    if (known.assignees.includes(assignee)) continue;
    changes.push({ type: "issue.assigned", key: once(`assignee ${assignee}`), assignee });
  }
  return { after: { ...known, ...now, counts }, changes };
}

/** Returns the comments that were not seen yet, oldest first. */
export function newComments(
  before: SeenState,
  comments: readonly RemoteComment[],
  linkedAt: string,
): { after: SeenState; comments: RemoteComment[] } {
  const since = Date.parse(commentsSince(before, linkedAt));
  const known = new Set(before.comment_ids);
  const found = comments.filter(
    ({ id, created_at }) => !known.has(id) && Date.parse(created_at) >= since,
  );
  if (found.length === 0) return { after: before, comments: [] };
  const until = found.reduce(
    (last, { created_at }) => Math.max(last, Date.parse(created_at)),
    Date.parse(before.comments_until ?? linkedAt),
  );
  const comment_ids = [...before.comment_ids, ...found.map(({ id }) => id)].slice(-MAX_IDS);
  return {
    after: { ...before, comments_until: new Date(until).toISOString(), comment_ids },
    comments: found,
  };
}

/** Returns the comments at places of a pull request that were not seen yet, oldest first. */
export function newThreadComments(
  before: SeenState,
  threads: readonly RemoteThread[],
  linkedAt: string,
): { after: SeenState; comments: ThreadComment[] } {
  const since = Date.parse(linkedAt) - SKEW_MS - 1000;
  const known = new Set(before.comment_ids);
  const idOf = ({ id }: RemoteComment): string => `thread ${id}`;
  const found = threads.flatMap((thread) =>
    thread.comments
      .filter((comment) => !known.has(idOf(comment)) && Date.parse(comment.created_at) >= since)
      .map((comment) => ({ thread, comment })),
  );
  if (found.length === 0) return { after: before, comments: [] };
  const ids = found.map(({ comment }) => idOf(comment));
  const comment_ids = [...before.comment_ids, ...ids].slice(-MAX_IDS);
  return { after: { ...before, comment_ids }, comments: found };
}

/** Returns the reviews that were not seen yet, oldest first. */
export function newReviews(
  before: SeenState,
  reviews: readonly RemoteReview[],
  linkedAt: string,
): { after: SeenState; reviews: RemoteReview[] } {
  const since = Date.parse(linkedAt) - SKEW_MS - 1000;
  const known = new Set(before.review_ids);
  const found = reviews.filter(
    ({ id, submitted_at }) => !known.has(id) && Date.parse(submitted_at) >= since,
  );
  if (found.length === 0) return { after: before, reviews: [] };
  const review_ids = [...before.review_ids, ...found.map(({ id }) => id)].slice(-MAX_IDS);
  return { after: { ...before, review_ids }, reviews: found };
}

/** Gathers reviews with the comments at places of the same person: together they are one change. */
export function reviewChanges(
  reviews: readonly RemoteReview[],
  comments: readonly ThreadComment[],
): Change[] {
  const left = [...comments];
  const take = (login: string): ThreadComment[] => {
    const own = left.filter(({ comment }) => comment.author.login === login);
    for (const one of own) left.splice(left.indexOf(one), 1);
    return own;
  };
  const type = "pull_request.review_submitted" as const;
  const changes: Change[] = [];
  // The comments belong to the newest review of their author.
  for (const review of reviews.toReversed()) {
    const own = take(review.author.login);
    // GitHub makes an empty review for each reply at a place.
    if (own.length === 0 && review.body.trim() === "" && review.verdict === "comment") continue;
    changes.unshift({ type, key: `review ${review.id}`, review, comments: own });
  }
  for (let [first] = left; first; [first] = left) {
    const own = take(first.comment.author.login);
    changes.push({ type, key: `comment ${first.comment.id}`, review: null, comments: own });
  }
  return changes;
}

/** Returns the checks that became red at the newest commit. */
export function redChecks(
  before: SeenState,
  { head_sha: sha, checks }: Pick<RemotePullRequest, "head_sha" | "checks">,
): { after: SeenState; changes: Change[]; isGreen: boolean } {
  const known = before.red?.sha === sha ? before.red.names : [];
  const red = checks.filter(({ status }) => status === "failure");
  const found = red.filter(({ name }) => !known.includes(name));
  const isGreen = checks.length > 0 && checks.every(({ status }) => status === "success");
  const names = [...known, ...found.map(({ name }) => name)];
  return {
    after: { ...before, red: { sha, names } },
    changes: found.map(({ name, url }) => ({
      type: "pull_request.check_failed" as const,
      key: `check ${sha} ${name}`,
      check: { name, url },
    })),
    isGreen,
  };
}

/** Whether a text names a login, as in `@omoi please …`. */
export function mentions(text: string, login: string): boolean {
  if (login === "") return false;
  const name = login.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  // Quoted text and code are no mention.
  const own = text
    .replaceAll(/```[\s\S]*?(?:```|$)/g, "")
    .replaceAll(/`[^`\n]*`/g, "")
    .replaceAll(/^\s*>.*$/gm, "");
  return new RegExp(`(?<![\\w@/.-])@${name}(?![\\w-])`, "i").test(own);
}
