/** The one comment on an issue that shows the state of its task: made once, then edited. */
import { and, eq, sql } from "drizzle-orm";
import type { TaskStatus } from "#shared/api/work/tasks.js";
import type { Queryable } from "../../../../../db/connection/connect.js";
import { taskIssues } from "../../../../../db/tables/forge-event-tables.js";
import { escapeMentions } from "../../pull-requests/escape-mentions.js";
import { ForgeError } from "../../forge.js";
import type { WorkDeps } from "../work-deps.js";
import { editComment, writeOnce } from "../own-comments.js";

interface ShownTask extends Record<string, unknown> {
  task_id: string;
  number: number;
  title: string;
  status: TaskStatus;
  forge_id: string;
  repository: string;
  issue: number;
  comment_id: string | null;
  shown: string | null;
  created_at: string;
  pull_number: number | null;
  pull_url: string | null;
}

/** Tasks that ended longer ago have had their last state shown. */
async function listTasks(tx: Queryable, nodeId: string): Promise<ShownTask[]> {
  const { rows } = await tx.execute<ShownTask>(sql`
    select i.task_id, t.number, t.title, t.status, i.forge_id, i.repository, i.number as issue, i.comment_id, i.shown,
      wire_time(i.created_at) as created_at, q.number as pull_number, q.url as pull_url
    from task_issues i
    join tasks t on t.id = i.task_id and not t.is_undone
    join projects p on p.id = i.project_id and p.deleted_at is null and p.home_node = ${nodeId}::uuid
    join forges f on f.id = i.forge_id
    left join lateral (select number, url from pull_requests q
      where q.task_id = t.id and q.number is not null order by q.id desc limit 1) q on true
    where (i.shown is null or t.updated_at > now() - interval '1 day')
      and (i.retry_at is null or i.retry_at < clock_timestamp())
      and (f.retry_at is null or f.retry_at < clock_timestamp())
    order by i.created_at limit 500`);
  return rows;
}

const sentences: Readonly<Record<TaskStatus, string>> = {
  open: "It has not started.",
  waiting: "It waits for other tasks.",
  working: "An agent is working on it.",
  needs_you: "It needs a person.",
  in_review: "It is ready for review.",
  merging: "It is being merged.",
  done: "It is done.",
  failed: "It has failed.",
  cancelled: "It was canceled.",
};

function bodyOf(task: ShownTask, publicUrl: string): string {
  const title = escapeMentions(task.title).replaceAll(/[[\]<>`]/g, "");
  const link = `[Task #${task.number}: ${title}](${publicUrl}/tasks/${task.task_id})`;
  const pull =
    task.pull_number === null ? "" : ` [Pull request #${task.pull_number}](${task.pull_url ?? ""})`;
  return `${link} – ${sentences[task.status]}${pull}`;
}

const RETRY_SECONDS = 5;

/** Writes and edits the comments of an organization's tasks. */
export async function showTasks(
  { db, clients, publicUrl }: WorkDeps,
  orgId: string,
  onError: (error: unknown) => void,
): Promise<void> {
  const tasks = await db.tenant(orgId, (tx) => listTasks(tx, db.node.id));
  const set = (id: string, values: Partial<typeof taskIssues.$inferInsert>): Promise<unknown> =>
    db.tenant(orgId, (tx) =>
      tx
        .update(taskIssues)
        .set(values)
        .where(and(eq(taskIssues.task_id, id))),
    );
  for (const task of tasks) {
    const { task_id, forge_id, repository, issue, comment_id } = task;
    const body = bodyOf(task, publicUrl());
    if (task.shown === body) continue;
    const name = `task ${task_id}`;
    const at = { repository, kind: "issue" as const, number: issue };
    try {
      await db.locks(orgId, [`forge comment ${task_id}`], async () => {
        await clients.use(orgId, forge_id, async (forge) => {
          const since = task.created_at;
          const id = comment_id ?? (await writeOnce(forge, at, { name, body, since }));
          // What was found may show an earlier state.
          const isThere = await editComment(forge, at, id, { name, body });
          await set(task_id, { comment_id: isThere ? id : null, shown: body, retry_at: null });
        });
      });
    } catch (error) {
      onError(error);
      // An issue that is gone gets no comment any more.
      const isGone = error instanceof ForgeError && error.failure === "not_found";
      await set(task_id, {
        ...(isGone && { shown: body }),
        retry_at: new Date(Date.now() + RETRY_SECONDS * 1000).toISOString(),
      });
    }
  }
}
