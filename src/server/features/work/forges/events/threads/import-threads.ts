/** Makes threads of a forge's pull request threads of the task, once, with their authors' names. */
import { createHash } from "node:crypto";
import type { Queryable } from "../../../../../db/connection/connect.js";
import {
  insertForgeComment,
  insertForgeThread,
  isFull,
  placeForgeThread,
  setForgeResolved,
} from "../../../reviews/index.js";
import type { RemoteComment, RemotePerson, RemoteThread } from "../../forge-discussion.js";
import { findPersonOfLogin } from "../../people/people.queries.js";
import { isOwnComment } from "../own-comments.js";
import type { Place, RequestThere } from "../place.queries.js";
import type { WorkDeps } from "../work-deps.js";
import * as queries from "./threads.queries.js";
import type { Author, KnownThread } from "./threads.queries.js";

/** Maximum characters of a comment. */
const MAX_BODY = 60_000;

/** Takes over what is new in the threads of a pull request. The lock is also taken by the way back. */
export async function importThreads(
  deps: WorkDeps,
  place: Place,
  request: RequestThere,
  threads: readonly RemoteThread[],
): Promise<void> {
  if (threads.length === 0) return;
  const { db } = deps;
  const { org_id: orgId } = place;
  await db.locks(orgId, [`forge threads ${request.id}`], async () => {
    const { known, comments, attemptId } = await db.tenant(orgId, async (tx) => ({
      known: new Map(
        (await queries.listKnownThreads(tx, request.id)).map((one) => [one.remote_id, one]),
      ),
      comments: await queries.listKnownComments(tx, request.id),
      attemptId: await queries.attemptOf(tx, request.id),
    }));
    if (attemptId === null) return;
    const context = {
      deps,
      place,
      request,
      attemptId,
      comments,
      reviews: new Map<string, string>(),
    };
    for (const thread of threads) await importThread(context, thread, known.get(thread.id));
  });
}

interface ImportContext {
  deps: WorkDeps;
  place: Place;
  request: RequestThere;
  attemptId: string;
  /** Ids of comments here by their ids on the forge. */
  comments: Map<string, string>;
  reviews: Map<string, string>;
}

async function importThread(
  context: ImportContext,
  thread: RemoteThread,
  known: KnownThread | undefined,
): Promise<void> {
  const { deps, place, request, comments } = context;
  const { db } = deps;
  const { org_id: orgId } = place;
  const [first, ...others] = thread.comments;
  if (!first) return;
  const threadId = known?.thread_id ?? (await insertThread(context, thread, first));
  if (threadId === null) return;
  for (const comment of others) {
    if (comments.has(comment.id) || isOwnComment(comment.body)) continue;
    await db.tenant(orgId, async (tx) => {
      if (await isFull(tx, request.task_id, threadId)) return;
      const said = { ...(await saidBy(tx, context, comment)) };
      const id = await insertForgeComment(tx, { orgId, threadId, reviewId: null }, said);
      await queries.putComment(tx, rowOf(context, id, comment));
    });
  }
  // Each side's change since they agreed last is taken over; the forge's comes first.
  const agreed = known?.resolved ?? false;
  if (thread.resolved === agreed) return;
  await db.tenant(orgId, async (tx) => {
    const isHere = known?.is_resolved ?? false;
    if (isHere !== thread.resolved) {
      const by = thread.resolved
        ? await authorOf(tx, context, thread.comments.at(-1)?.author)
        : null;
      await setForgeResolved(tx, threadId, by);
    }
    await queries.setSharedState(tx, threadId, thread.resolved);
  });
}

/** Stores a thread with its first comment. */
async function insertThread(
  context: ImportContext,
  thread: RemoteThread,
  first: RemoteComment,
): Promise<string | null> {
  const { deps, place, request, attemptId } = context;
  const { org_id: orgId } = place;
  // The way back finds it by its marker.
  if (isOwnComment(first.body)) return null;
  const ids = { orgId, taskId: request.task_id, attemptId };
  const found = await placeForgeThread(deps, orgId, ids, thread);
  if (!found) return null;
  return deps.db.tenant(orgId, async (tx) => {
    const said = await saidBy(tx, context, first);
    const made = await insertForgeThread(tx, ids, found, said, context.reviews);
    if (!made) return null;
    const row = { thread_id: made.threadId, org_id: orgId, pull_request_id: request.id };
    await queries.putThread(tx, { ...row, remote_id: thread.id, url: first.url });
    await queries.putComment(tx, rowOf(context, made.commentId, first));
    return made.threadId;
  });
}

const rowOf = ({ place, request }: ImportContext, id: string, comment: RemoteComment) => ({
  comment_id: id,
  org_id: place.org_id,
  pull_request_id: request.id,
  remote_id: comment.id,
  url: comment.url,
  login: comment.author.login,
});

async function saidBy(tx: Queryable, context: ImportContext, comment: RemoteComment) {
  const body = comment.body.replaceAll("\u0000", "").slice(0, MAX_BODY);
  return {
    author: await authorOf(tx, context, comment.author),
    body: body.trim() === "" ? "(empty)" : body,
    created_at: comment.created_at,
  };
}

/** Returns the member of a login, by their name here; a stranger has the login's name, and an id made from it. */
async function authorOf(
  tx: Queryable,
  { place }: Pick<ImportContext, "place">,
  person: RemotePerson | undefined,
): Promise<Author> {
  const login = person?.login ?? "ghost";
  const userId = await findPersonOfLogin(tx, place.forge_id, login);
  const name = userId === null ? null : await queries.nameOfUser(tx, userId);
  if (userId !== null && name !== null) return { type: "user", id: userId, name };
  return { type: "user", id: idOfLogin(place.forge_id, login), name: `${login} (${place.kind})` };
}

/** Returns a UUID of version 8 (RFC 9562) for a login that belongs to no user. */
function idOfLogin(forgeId: string, login: string): string {
  const hex = createHash("sha256").update(`${forgeId} ${login.toLowerCase()}`).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
