import type { AppliedSuggestions } from "#shared/api/work/threads.js";
import { groupBy } from "#shared/node/group-by.js";
import { replaceLines, type Replacement } from "#git/anchor/replace-lines.js";
import { resolveTree, type Person } from "#git/store/repository.js";
import { authorOf, readDisplayName } from "../../../access/author.queries.js";
import { AppError, notFound } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { commitEdits, type EditCommit } from "../../code/workspaces/index.js";
import { endAtRest, waitForEnd } from "../../execution/run-ends/index.js";
import { countWaiting, lockSession, type RunDeps } from "../../execution/runs/start.js";
import {
  finished,
  readAttempts,
  requireTask,
  targetOf,
  type ReadAttempt,
  type ReadTask,
} from "../tasks/index.js";
import { placesOf } from "./place-threads.js";
import { attemptOfThread, readThreads } from "./present-threads.js";
import { findTask } from "./reviewed-attempt.js";
import * as queries from "./threads.queries.js";
import type { ReadThread } from "./threads.queries.js";

type Author = ReadThread["comments"][number]["author"];

interface Suggestion {
  thread: ReadThread;
  commentId: string;
  author: Author;
  text: string;
}

/**
 * Commits the newest suggestions of threads in the workspace, all of them or none, and resolves the threads. Each
 * author gets a commit; the caller is the committer.
 * @param taskId the task of all threads; null for any
 * @throws AppError 404; 409 `suggestion_stale`, `no_suggestion`, `task_finished`, and as `commitEdits`
 */
export async function applySuggestions(
  deps: RunDeps,
  context: OrgContext,
  taskId: string | null,
  threadIds: readonly string[],
): Promise<AppliedSuggestions> {
  const { task, attempt, suggestions } = await readSuggestions(context, taskId, threadIds);
  await endProgramAtRest(deps, context, attempt);
  const ids = suggestions.map(({ thread }) => thread.id);
  const people = await readPeople(context, suggestions);
  const shas = await commitEdits(
    deps.workspaces,
    context,
    attempt.agent_id,
    async (repoPath, head) => {
      const replacements = await placeSuggestions(repoPath, head, suggestions);
      const groups = [...groupBy(suggestions, ({ author }) => author.id).values()];
      const commits: EditCommit[] = [];
      const done: Replacement[] = [];
      for (const group of groups) {
        done.push(...group.map((one) => replacements.get(one.commentId) as Replacement));
        const tree = await replaceLines(repoPath, await resolveTree(repoPath, head), done);
        if (tree === null) throw stale(group.map(({ thread }) => thread.id));
        const paths = [...new Set(group.map(({ thread }) => thread.path))];
        const author = people.get(group[0]?.author.id ?? "") as Person;
        commits.push({
          tree,
          message: messageOf(group.length, paths),
          author,
          committer: people.get("") as Person,
        });
      }
      return {
        commits,
        texts: suggestions.map(({ thread, text }) => ({ path: thread.path, text })),
        record: async (tx, audit, made) => {
          const current = await requireTask(tx, context.actor, task.id);
          if (current.resolution !== null) throw finished(current);
          for (const [index, group] of groups.entries()) {
            const sha = made[index] as string;
            await queries.setApplied(
              tx,
              group.map(({ commentId }) => commentId),
              sha,
            );
          }
          audit({
            action: "thread.suggestion_applied",
            target: targetOf(current),
            changes: {
              commit_sha: { from: head, to: made.at(-1) ?? head },
              threads: { from: null, to: ids },
            },
          });
        },
      };
    },
  );
  await deps.db.tenant(context.orgId, (tx) => queries.setResolved(tx, ids, authorOf(context)));
  return {
    commit_sha: shas.at(-1) as string,
    commits: shas,
    threads: await readThreads(deps, context, ids),
  };
}

const messageOf = (count: number, paths: readonly string[]): string =>
  `${count === 1 ? "Apply a suggestion" : `Apply ${count} suggestions`} to ${
    paths.length === 1 ? paths[0] : `${paths.length} files`
  }`;

const stale = (ids: readonly string[]): AppError =>
  new AppError(
    "suggestion_stale",
    ids.length === 1
      ? "The lines of the suggestion have changed."
      : "The lines of some suggestions have changed, or overlap.",
    { thread_ids: [...ids] },
  );

/** @throws AppError 404; 409 `no_suggestion`, `task_finished`, `attempt_archived` */
async function readSuggestions(
  context: OrgContext,
  taskId: string | null,
  threadIds: readonly string[],
): Promise<{ task: ReadTask; attempt: ReadAttempt; suggestions: Suggestion[] }> {
  return context.tx(async (tx) => {
    const threads = await queries.findThreads(tx, threadIds);
    const of = taskId ?? threads[0]?.task_id;
    if (of === undefined || threads.length !== threadIds.length) throw notFound();
    if (threads.some(({ task_id }) => task_id !== of)) throw notFound();
    const task = await findTask(tx, context, of);
    if (task.resolution !== null) throw finished(task);
    const attempts = await readAttempts(tx, [of]);
    const [attempt, ...others] = new Set(
      threads.map((thread) => attemptOfThread(task, attempts, thread)),
    );
    if (!attempt || others.length > 0) throw notFound();
    if (attempt.status === "archived") {
      throw new AppError("attempt_archived", "The attempt is archived; restore its workspace.");
    }
    const suggestions = threads.map((thread): Suggestion => {
      const newest = thread.comments.findLast(({ suggestion }) => suggestion !== null);
      if (newest?.suggestion == null || newest.applied_sha !== null) {
        throw new AppError("no_suggestion", "The thread has no suggestion that is open.", {
          thread_ids: [thread.id],
        });
      }
      const { id: commentId, author, suggestion: text } = newest;
      return { thread, commentId, author, text };
    });
    return { task, attempt, suggestions };
  });
}

/**
 * Ends the program of a session that waits for a prompt and can take up its conversation again: until then no file of
 * its folder may be written.
 * @throws AppError 409 `run_in_progress`
 */
async function endProgramAtRest(
  { db }: RunDeps,
  { orgId }: OrgContext,
  { session_id }: ReadAttempt,
): Promise<void> {
  if (session_id === null) return;
  const runId = await db.tenant(orgId, async (tx) => {
    const session = await lockSession(tx, session_id);
    if (!session?.isRunning || session.run_id === null) return null;
    const isAtRest = session.status === "idle" && session.resumes_by !== null;
    if (!isAtRest || (await countWaiting(tx, session_id)) > 0) {
      throw new AppError(
        "run_in_progress",
        "The agent's program is running; apply the suggestion once its turn has ended, or stop it.",
      );
    }
    await endAtRest(tx, session.run_id, "A suggestion is being applied.");
    return session.run_id;
  });
  if (runId !== null) await waitForEnd(db, orgId, { id: runId });
}

/** Returns the lines that suggestions replace, by comment. @throws AppError 409 `suggestion_stale` */
async function placeSuggestions(
  repoPath: string,
  head: string,
  suggestions: readonly Suggestion[],
): Promise<Map<string, Replacement>> {
  const places = await placesOf(
    // Suggestions are on lines of the new side.
    { repoPath, head, base: head, target: head, targetBranch: "" },
    suggestions.map(({ thread }) => thread),
  );
  const found = new Map<string, Replacement>();
  const lost: string[] = [];
  for (const [index, { thread, commentId, text }] of suggestions.entries()) {
    const { path, line, start_line: startLine } = places[index] ?? {};
    const isFree =
      path !== undefined &&
      line != null &&
      startLine != null &&
      ![...found.values()].some(
        (other) => other.path === path && other.startLine <= line && startLine <= other.line,
      );
    if (isFree) found.set(commentId, { path, startLine, line, text });
    else lost.push(thread.id);
  }
  if (lost.length > 0) throw stale(lost);
  return found;
}

/** Returns authors by their ids, and the caller by an empty text, as git shows them. */
async function readPeople(
  context: OrgContext,
  suggestions: readonly Suggestion[],
): Promise<Map<string, Person>> {
  const { userId, agent } = context.actor;
  const authors = new Map(suggestions.map(({ author }) => [author.id, author]));
  const users = [...authors.values()].filter(({ type }) => type !== "agent").map(({ id }) => id);
  const { emails, name } = await context.tx(async (tx) => ({
    emails: await queries.readEmails(tx, [...users, userId]),
    name: agent?.name ?? (await readDisplayName(tx, userId)),
  }));
  const emailOf = (id: string, type: Author["type"]): string =>
    type === "agent" ? `${id}@agents.omoi` : (emails.get(id) ?? `${id}@users.omoi`);
  const people = new Map<string, Person>();
  for (const { id, type, name: called } of authors.values()) {
    people.set(id, { name: called, email: emailOf(id, type) });
  }
  const type = agent === null ? "user" : "agent";
  return people.set("", { name, email: emailOf(agent?.id ?? userId, type) });
}
