import { and, eq, sql } from "drizzle-orm";
import type { Queryable } from "../../../../../db/connection/connect.js";
import { forgeSeen, type SeenState } from "../../../../../db/tables/forge-event-tables.js";

export interface SeenKey {
  project_id: string;
  kind: "issue" | "pull_request";
  number: number;
}
export type SeenRow = typeof forgeSeen.$inferSelect;

const of = ({ project_id, kind, number }: SeenKey) =>
  and(eq(forgeSeen.project_id, project_id), eq(forgeSeen.kind, kind), eq(forgeSeen.number, number));

export async function findSeen(tx: Queryable, key: SeenKey): Promise<SeenRow | undefined> {
  const [row] = await tx.select().from(forgeSeen).where(of(key));
  return row;
}

export async function putSeen(
  tx: Queryable,
  row: SeenKey & { org_id: string; state: SeenState; chain: number },
): Promise<void> {
  const { state, chain } = row;
  await tx
    .insert(forgeSeen)
    .values(row)
    .onConflictDoUpdate({
      target: [forgeSeen.project_id, forgeSeen.kind, forgeSeen.number],
      set: { state, chain, seen_at: sql`clock_timestamp()` },
    });
}

/** Stores issues that were there when a project was linked. Those that are known stay. */
export async function insertSeen(
  tx: Queryable,
  rows: (SeenKey & { org_id: string; state: SeenState })[],
): Promise<void> {
  if (rows.length > 0) await tx.insert(forgeSeen).values(rows).onConflictDoNothing();
}

/** Records that a login was answered. Returns false if it was before. */
export async function markAnswered(
  tx: Queryable,
  key: SeenKey & { org_id: string },
  login: string,
  empty: SeenState,
): Promise<boolean> {
  await tx
    .insert(forgeSeen)
    .values({ ...key, state: empty })
    .onConflictDoNothing();
  const { rowCount } = await tx
    .update(forgeSeen)
    .set({ answered: sql`array_append(${forgeSeen.answered}, ${login})` })
    .where(and(of(key), sql`not ${login} = any(${forgeSeen.answered})`));
  return (rowCount ?? 0) > 0;
}
