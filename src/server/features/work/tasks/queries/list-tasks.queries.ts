import { sql, type SQL } from "drizzle-orm";
import type { Queryable } from "../../../../db/connection/connect.js";
import { isOfAgent } from "./read-tasks.queries.js";

/** The organization, project or agent of a list. */
export interface TaskScope {
  orgId: string;
  projectId: string | null;
  /** Only tasks that this agent works on, and their child tasks. */
  ofAgent: string | null;
}

export interface TaskFilter {
  status?: readonly string[] | undefined;
  ownerId?: string | undefined;
  label?: string | undefined;
  attention?: string | undefined;
  /** Words that all occur. */
  words?: readonly string[] | undefined;
  /** Only some tasks. */
  ids?: readonly string[] | undefined;
}

/** The value that each order begins with. `number` and `created_at` are the order of ids, which are UUIDv7. */
const orders: Record<string, { column: SQL; isAscending: boolean }> = {
  updated_at: {
    column: sql`(extract(epoch from t.updated_at) * 1000)::bigint`,
    isAscending: false,
  },
  priority: {
    column: sql`array_position(array['low', 'normal', 'high', 'urgent'], t.priority)`,
    isAscending: false,
  },
  urgency: { column: sql`t.urgency`, isAscending: true },
};

const namesAgent = (pattern: string) => sql`exists (select from task_attempts x
  join agents g on g.id = x.agent_id where x.task_id = t.id and g.name ilike ${pattern})`;

/** Escapes the wildcards of `like`. */
const literal = (text: string): string => text.replaceAll(/[\\%_]/g, (found) => `\\${found}`);

/** A position in a list: the value of the order's column, and the id. */
export type TaskPosition = readonly [number, string];

/** Returns the ids of a page of tasks with their positions. */
export async function listTaskIds(
  tx: Queryable,
  scope: TaskScope,
  filter: TaskFilter,
  sort: string,
  after: TaskPosition | null,
  limit: number,
): Promise<{ id: string; position: number }[]> {
  const order = orders[sort];
  const direction = order?.isAscending === true ? sql`asc` : sql`desc`;
  const [position, id] = after ?? [0, null];
  const isAfter = order?.isAscending === true ? sql`>` : sql`<`;
  const comparison = order
    ? sql`(${order.column}, t.id) ${isAfter} (${position}::bigint, ${id}::uuid)`
    : sql`t.id < ${id}::uuid`;
  const { rows } = await tx.execute<{ id: string; position: string }>(sql`
    select t.id, ${order?.column ?? sql`0`} as position from tasks t
    where ${matches(scope, filter)}
      ${after === null ? sql`` : sql`and ${comparison}`}
    order by ${order ? sql`${order.column} ${direction}, ` : sql``}t.id ${direction} limit ${limit}`);
  return rows.map((row) => ({ id: row.id, position: Number(row.position) }));
}

/**
 * The condition of a list for the task `t`. The project is looked up for each task: joined, all tasks would be sorted
 * before the first page.
 */
function matches(
  { orgId, projectId, ofAgent }: TaskScope,
  { status, ownerId, label, attention, words = [], ids }: TaskFilter,
): SQL {
  const states = status?.flatMap((name) => (name === "unfinished" ? unfinished : [name]));
  return sql`t.org_id = ${orgId} and not t.is_undone
      ${projectId === null ? sql`and (select p.deleted_at is null from projects p where p.id = t.project_id)` : sql`and t.project_id = ${projectId}`}
      ${ofAgent === null ? sql`` : sql`and ${isOfAgent(ofAgent)}`}
      ${states === undefined ? sql`` : sql`and t.status = any(${sql.param(states)}::text[])`}
      ${ownerId === undefined ? sql`` : sql`and t.owner_id = ${ownerId}`}
      ${label === undefined ? sql`` : sql`and ${label} = any(t.labels)`}
      ${
        attention === undefined
          ? sql``
          : attention === "any"
            ? sql`and t.urgency < 100`
            : sql`and t.attention ->> 'kind' = ${attention}`
      }
      ${sql.join(words.map((word) => sql` and ${contains(word)}`))}
      ${ids === undefined ? sql`` : sql`and t.id = any(${sql.param([...ids])}::uuid[])`}`;
}

/** Whether a word occurs in title, text or an agent's name, or is the number of the task. */
function contains(word: string): SQL {
  const pattern = `%${literal(word)}%`;
  const number = /^#?(\d{1,9})$/.exec(word)?.[1];
  return sql`(t.title ilike ${pattern} or t.body ilike ${pattern}
    or t.number = ${number ?? null}::integer or ${namesAgent(pattern)})`;
}

/** Whether a list has any task. */
export async function hasTasks(
  tx: Queryable,
  scope: TaskScope,
  filter: TaskFilter,
): Promise<boolean> {
  const { rows } = await tx.execute(
    sql`select from tasks t where ${matches(scope, filter)} limit 1`,
  );
  return rows.length > 0;
}

/** Returns the titles, labels and agents' names of the newest tasks of a list. */
export async function listTitles(
  tx: Queryable,
  scope: TaskScope,
  filter: TaskFilter,
  limit: number,
): Promise<{ id: string; text: string }[]> {
  const { rows } = await tx.execute<{ id: string; text: string }>(sql`
    select t.id, concat_ws(' ', t.title, array_to_string(t.labels, ' '), (
      select string_agg(g.name, ' ') from task_attempts x join agents g on g.id = x.agent_id
      where x.task_id = t.id)) as text
    from tasks t where ${matches(scope, filter)} order by t.id desc limit ${limit}`);
  return rows;
}

const unfinished = ["open", "waiting", "working", "needs_you", "in_review", "merging", "failed"];
