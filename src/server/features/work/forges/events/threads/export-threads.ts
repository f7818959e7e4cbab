/** Makes threads and replies that were written here comments of the forge's pull request, once. */
import { ForgeError, type Forge } from "../../forge.js";
import type { RemoteComment, RemoteThread } from "../../forge-discussion.js";
import { agentWords, marker } from "../own-comments.js";
import type { WorkDeps } from "../work-deps.js";
import * as queries from "./threads.queries.js";
import type { UnsentComment } from "./threads.queries.js";

/** Sends what an organization's tasks have, and the state of threads. */
export async function exportThreads(
  deps: WorkDeps,
  orgId: string,
  onError: (error: unknown) => void,
): Promise<void> {
  const { db, clients } = deps;
  const unsent = await db.tenant(orgId, (tx) => queries.listUnsent(tx, db.node.id));
  const failed = new Set<string>();
  const threads = new Map<string, string>();
  for (const comment of unsent) {
    const { pull_request_id, forge_id, thread_id } = comment;
    // Order within a request is kept.
    if (failed.has(pull_request_id)) continue;
    try {
      await db.locks(orgId, [`forge threads ${pull_request_id}`], async () => {
        if (await db.tenant(orgId, (tx) => queries.isSent(tx, comment.comment_id))) return;
        const remote = threads.get(thread_id) ?? comment.remote_id;
        const sent = await clients.use(orgId, forge_id, (forge) =>
          send(forge, { ...comment, remote_id: remote }),
        );
        if (sent.thread !== null) threads.set(thread_id, sent.thread);
        await record(deps, orgId, comment, sent, remote === null);
      });
    } catch (error) {
      failed.add(pull_request_id);
      onError(error);
    }
  }
  const changed = await db.tenant(orgId, (tx) => queries.listChangedThreads(tx, db.node.id));
  for (const { thread_id, remote_id, is_resolved, forge_id, repository, number } of changed) {
    try {
      await clients.use(orgId, forge_id, (forge) =>
        forge.resolveThread(repository, number, remote_id, is_resolved),
      );
    } catch (error) {
      // Some forges cannot, and a thread may be gone there.
      if (!(error instanceof ForgeError) || !isFinal(error)) {
        onError(error);
        continue;
      }
    }
    await db.tenant(orgId, (tx) => queries.setSharedState(tx, thread_id, is_resolved));
  }
}

/** Whether the forge will not do it later either. */
const isFinal = ({ failure }: ForgeError): boolean =>
  failure === "refused" || failure === "not_found";

interface Sent {
  /** The forge's ids; null if the forge does not take it. */
  thread: string | null;
  comment: string | null;
  url: string | null;
}

async function record(
  { db }: WorkDeps,
  orgId: string,
  { thread_id, comment_id, pull_request_id }: UnsentComment,
  sent: Sent,
  isNew: boolean,
): Promise<void> {
  const row = { org_id: orgId, pull_request_id };
  await db.tenant(orgId, async (tx) => {
    if (isNew) {
      await queries.putThread(tx, { ...row, thread_id, remote_id: sent.thread, url: sent.url });
    }
    await queries.putComment(tx, { ...row, comment_id, remote_id: sent.comment, url: sent.url });
  });
}

async function send(forge: Forge, comment: UnsentComment): Promise<Sent> {
  const { repository, number, remote_id } = comment;
  const body = bodyOf(comment);
  const known = await forge.listThreads(repository, number);
  const found = findSent(known, comment.comment_id);
  if (found) {
    return { thread: found.thread.id, comment: found.comment.id, url: found.comment.url };
  }
  if (remote_id !== null) {
    const made = await forge.replyToThread(repository, number, remote_id, body);
    return { thread: remote_id, comment: made.id, url: made.url };
  }
  const made = await createThread(forge, comment, body);
  const [first] = made?.comments ?? [];
  return { thread: made?.id ?? null, comment: first?.id ?? null, url: first?.url ?? null };
}

/** Creates a thread at its lines, or at its file if these are not part of the change there. */
async function createThread(
  forge: Forge,
  comment: UnsentComment,
  body: string,
): Promise<RemoteThread | null> {
  const { repository, number, path, side, line, start_line, commit_sha, head_sha } = comment;
  const commit = side === "new" ? commit_sha : (head_sha ?? commit_sha);
  const lines = line === null ? "" : ` (lines ${start_line ?? line}–${line})`;
  const at = { commit_sha: commit, path, side, body };
  const tries = [
    { ...at, line, start_line },
    ...(line === null
      ? []
      : [{ ...at, line: null, start_line: null, body: `${path}${lines}: ${body}` }]),
  ];
  for (const thread of tries) {
    try {
      return await forge.createThread(repository, number, thread);
    } catch (error) {
      if (!(error instanceof ForgeError) || !isFinal(error)) throw error;
    }
  }
  return null;
}

function findSent(
  threads: readonly RemoteThread[],
  commentId: string,
): { thread: RemoteThread; comment: RemoteComment } | null {
  const mark = markOf(commentId);
  for (const thread of threads) {
    const comment = thread.comments.find(({ body }) => body.includes(mark));
    if (comment) return { thread, comment };
  }
  return null;
}

const markOf = (commentId: string): string => marker(`comment ${commentId}`);

/** The forge shows the account of the connection as the author, so the text names who wrote it. */
function bodyOf({ author, body, suggestion, comment_id }: UnsentComment): string {
  const words = author.type === "agent" ? agentWords(body) : body;
  const change = suggestion === null ? "" : `\n\n\`\`\`suggestion\n${suggestion}\n\`\`\``;
  return `**${agentWords(author.name)}**: ${words}${change}\n\n${markOf(comment_id)}`;
}
