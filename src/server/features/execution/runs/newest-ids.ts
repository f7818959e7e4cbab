import { sql, type SQL } from "drizzle-orm";

/** A page of a list across agents. */
export interface ListPage {
  status: string | undefined;
  /** The agent of the caller. */
  only: string | undefined;
  /** The id of the previous page's last row; null starts at the newest. */
  after: string | null;
}

/**
 * The newest ids of several organizations' rows. Each organization is read by its own index up to the limit, because a
 * scan over all of them is in no order of ids.
 * @param condition of further columns
 */
export function newestIds(
  table: "runs" | "agent_sessions",
  orgIds: readonly string[],
  { status, only, after }: ListPage,
  limit: number,
  condition = sql`true`,
): SQL {
  const conditions = [
    condition,
    ...(status === undefined ? [] : [sql`status = ${status}`]),
    ...(only === undefined ? [] : [sql`agent_id = ${only}::uuid`]),
    ...(after === null ? [] : [sql`id < ${after}::uuid`]),
  ];
  return sql`(select newest.id from unnest(${sql.param(orgIds)}::uuid[]) o (org_id)
    cross join lateral (select id from ${sql.raw(table)} t
      where t.org_id = o.org_id and ${sql.join(conditions, sql` and `)}
      order by id desc limit ${limit}) newest
    order by newest.id desc limit ${limit})`;
}
