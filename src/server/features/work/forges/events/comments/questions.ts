/** Questions of agents are comments on the forge, and a reply by a permitted person is the answer. */
import { and, desc, eq, isNull, sql } from "drizzle-orm";
import type { Queryable } from "../../../../../db/connection/connect.js";
import { forgeQuestions } from "../../../../../db/tables/forge-event-tables.js";
import { AppError } from "../../../../../errors.js";
import type { CallerContext } from "../../../../../http/requests/request-context.js";
import { attemptsOf, promptAttempt, requireTask } from "../../../tasks/index.js";
import type { WorkDeps } from "../work-deps.js";
import { agentWords, writeOnce } from "../own-comments.js";

export type QuestionRow = typeof forgeQuestions.$inferSelect;

/** Finds the question that was asked at an issue or a pull request, and waits for its answer. */
export function findQuestion(
  { db }: Pick<WorkDeps, "db">,
  orgId: string,
  taskId: string,
  { kind, number }: Pick<QuestionRow, "kind" | "number">,
): Promise<QuestionRow | undefined> {
  return db.tenant(orgId, async (tx) => {
    const [row] = await tx
      .select()
      .from(forgeQuestions)
      .where(
        and(
          eq(forgeQuestions.task_id, taskId),
          eq(forgeQuestions.kind, kind),
          eq(forgeQuestions.number, number),
          isNull(forgeQuestions.answered_at),
          sql`exists (select from tasks t where t.id = ${taskId} and t.attention ->> 'kind' = 'question'
            and (t.attention ->> 'since')::timestamptz = ${forgeQuestions.asked_at})`,
        ),
      )
      .orderBy(desc(forgeQuestions.asked_at))
      .limit(1);
    return row;
  });
}

const gone = (): AppError => new AppError("stale", "The question was answered before.");

/** Sends an answer to the agent, once. Returns false if the question was answered before. */
export async function answerQuestion(
  deps: WorkDeps,
  context: CallerContext,
  taskId: string,
  question: QuestionRow,
  text: string,
): Promise<boolean> {
  const { task, main } = await context.change(async (tx) => {
    const found = await requireTask(tx, context.actor, taskId);
    return { task: found, ...(await attemptsOf(tx, found)) };
  });
  if (!main) return false;
  const mark = (tx: Queryable, at: unknown, was: unknown) =>
    tx
      .update(forgeQuestions)
      .set({ answered_at: at as string })
      .where(
        and(
          eq(forgeQuestions.task_id, taskId),
          eq(forgeQuestions.asked_at, question.asked_at),
          was as never,
        ),
      );
  try {
    await promptAttempt(deps.runs, context, task, main.id, text, {
      stored: async (tx) => {
        const { rowCount } = await mark(
          tx,
          sql`clock_timestamp()`,
          isNull(forgeQuestions.answered_at),
        );
        if (rowCount === 0) throw gone();
      },
      removed: async (tx) => {
        await mark(tx, null, undefined);
      },
    });
    return true;
  } catch (error) {
    if (error instanceof AppError && error.code === "stale") return false;
    throw error;
  }
}

interface AskedTask extends Record<string, unknown> {
  task_id: string;
  forge_id: string;
  repository: string;
  kind: "issue" | "pull_request";
  number: number;
  asked_at: string;
  words: string;
}

/** Lists the tasks of an organization that wait for an answer, and whose question is not on the forge yet. */
async function listAsked(tx: Queryable, nodeId: string): Promise<AskedTask[]> {
  const { rows } = await tx.execute<AskedTask>(sql`
    select t.id as task_id, r.forge_id, r.name as repository, wire_time((t.attention ->> 'since')::timestamptz) as asked_at,
      case when q.number is null then 'issue' else 'pull_request' end as kind,
      coalesce(q.number, i.number) as number, coalesce(words.turn_message, t.attention ->> 'summary', '') as words
    from tasks t
    join projects p on p.id = t.project_id and p.deleted_at is null and p.home_node = ${nodeId}::uuid
    join project_repositories r on r.project_id = t.project_id
    left join task_issues i on i.task_id = t.id and i.forge_id = r.forge_id
    left join pull_requests q on q.task_id = t.id and q.state in ('open', 'draft') and q.forge_id = r.forge_id
    left join lateral (
      select s.turn_message from task_attempts a join agent_sessions s on s.id = a.session_id
      where a.task_id = t.id and a.archived_at is null
        and (t.chosen_attempt_id is null or a.id = t.chosen_attempt_id)
      order by s.turn_ended_at desc nulls last limit 1) words on true
    where t.resolution is null and t.attention ->> 'kind' = 'question' and coalesce(q.number, i.number) is not null
      and not exists (select from forge_questions f where f.task_id = t.id and f.comment_id is not null
        and f.asked_at = (t.attention ->> 'since')::timestamptz)
    limit 100`);
  return rows;
}

/** Maximum characters of a question in a comment. */
const MAX_WORDS = 8000;

/** Asks on the forge what agents of an organization ask. @throws ForgeError */
export async function askOnForge(
  { db, clients, publicUrl }: WorkDeps,
  orgId: string,
  onError: (error: unknown) => void,
): Promise<void> {
  const asked = await db.tenant(orgId, (tx) => listAsked(tx, db.node.id));
  for (const { task_id, forge_id, repository, kind, number, asked_at, words } of asked) {
    const link = `[Task](${publicUrl()}/tasks/${task_id})`;
    const body = `${agentWords(words).slice(0, MAX_WORDS)}\n\n${link} – reply here to answer.`;
    const name = `question ${task_id} ${asked_at}`;
    try {
      await db.tenant(orgId, (tx) =>
        tx
          .insert(forgeQuestions)
          .values({ task_id, asked_at, org_id: orgId, kind, number })
          .onConflictDoNothing(),
      );
      const id = await clients.use(orgId, forge_id, (forge) =>
        writeOnce(forge, { repository, kind, number }, { name, body, since: asked_at }),
      );
      await db.tenant(orgId, (tx) =>
        tx
          .update(forgeQuestions)
          .set({ comment_id: id })
          .where(and(eq(forgeQuestions.task_id, task_id), eq(forgeQuestions.asked_at, asked_at))),
      );
    } catch (error) {
      onError(error);
    }
  }
}
