/** Reads a pull request of a task again, and decides about all that has changed since it was seen last. */
import { withForgeErrors } from "../../use-forge.js";
import { refresh, withPullRequest } from "../../pull-requests/advance-pull-request.js";
import { followBranch } from "../../pull-requests/follow-branch.js";
import { findQuestion, answerQuestion } from "../comments/questions.js";
import { explainLinking } from "../comments/explain-linking.js";
import { isOwnComment } from "../own-comments.js";
import { decideChange, type ChangeContext, type Decision } from "../decide/decide-change.js";
import type { Place, RequestThere } from "../place.queries.js";
import {
  commentsSince,
  newComments,
  newReviews,
  newThreadComments,
  nothingSeen,
  redChecks,
  reviewChanges,
  type Change,
} from "../seen/changes.js";
import * as seen from "../seen/seen.queries.js";
import { importThreads } from "../threads/import-threads.js";
import type { WorkDeps } from "../work-deps.js";
import { contextOfUser, type Work } from "./work-on-issue.js";

/** @throws ForgeError; AppError 422 with the reason of the forge */
export async function workOnRequest(
  deps: WorkDeps,
  place: Place,
  request: RequestThere,
): Promise<Work> {
  const { db, clients } = deps;
  const { org_id, project_id, forge_id, repository } = place;
  const { number, task_id } = request;
  const key = { org_id, project_id, kind: "pull_request" as const, number };
  const row = await db.tenant(org_id, (tx) => seen.findSeen(tx, key));
  const before = row?.state ?? nothingSeen;
  const at = { repository, kind: "pull_request" as const, number };
  const since = commentsSince(before, place.linked_at);
  const found = await clients.use(org_id, forge_id, async (forge) => ({
    remote: await forge.readPullRequest(repository, number),
    comments: await forge.listComments(at, since),
    reviews: await forge.listReviews(repository, number),
    threads: await forge.listThreads(repository, number),
  }));
  // The row has what the pages show.
  await withPullRequest(deps, org_id, request.id, async (pull) => {
    await withForgeErrors(() => refresh(deps, pull));
    await followBranch(deps, org_id, request.id);
  });
  await importThreads(deps, place, request, found.threads);
  const { remote } = found;
  const isOpen = remote.state === "open" || remote.state === "draft";
  const said = newComments(before, found.comments, place.linked_at);
  const reviewed = newReviews(said.after, found.reviews, place.linked_at);
  const threaded = newThreadComments(reviewed.after, found.threads, place.linked_at);
  const checks = redChecks(threaded.after, remote);
  const theirs = threaded.comments.filter(({ comment }) => !isOwnComment(comment.body));
  const changes: Change[] = [
    ...said.comments.map((comment) => ({
      type: "pull_request.commented" as const,
      key: `comment ${comment.id}`,
      comment,
    })),
    ...reviewChanges(reviewed.reviews, theirs),
    ...(isOpen ? checks.changes : []),
  ];
  const question = await findQuestion(deps, org_id, task_id, { kind: "pull_request", number });
  const { title, url, base } = remote;
  const context: ChangeContext = {
    place,
    kind: "pull_request",
    number,
    task_id,
    chain: row?.chain ?? 0,
    // The text of the request is the task's own.
    values: async () => ({
      values: { pull_request: { number, title, url, base, body: "", author: "", labels: [] } },
      trust: "trusted",
    }),
    actorOf: async () => null,
    isAsked: question !== undefined,
    answer: async (userId, text) =>
      question !== undefined &&
      answerQuestion(deps, await contextOfUser(deps, org_id, userId), task_id, question, text),
    explainLink: (login) => explainLinking(deps, place, key, login),
    readLog: (check) =>
      clients.use(org_id, forge_id, (forge) =>
        forge.readCheckLog(repository, remote.head_sha, check),
      ),
  };
  const decisions: Decision[] = [];
  for (const change of changes) {
    const decision = await decideChange(deps, context, change);
    if (!decision) continue;
    decisions.push(decision);
    if (decision.decision !== "prompted" && decision.decision !== "started") continue;
    context.chain = change.type === "pull_request.check_failed" ? context.chain + 1 : 0;
  }
  const chain = checks.isGreen ? 0 : context.chain;
  return {
    decisions,
    record: (tx) => seen.putSeen(tx, { ...key, state: checks.after, chain }),
  };
}
