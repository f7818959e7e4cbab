/** When the server first received commits. */
import { and, eq, sql } from "drizzle-orm";
import type { Queryable } from "../../../../db/connection/connect.js";
import { projects } from "../../../../db/tables/tables.js";
import { receivedCommits } from "../../../../db/tables/workspace-tables.js";

/** A project and its organization. */
interface ProjectKey {
  org_id: string;
  project_id: string;
}

/** Records the receive time of commits, in their order; the first time stays. */
export async function receiveCommits(
  tx: Queryable,
  { org_id, project_id }: ProjectKey,
  shas: readonly string[],
): Promise<void> {
  if (shas.length === 0) return;
  await tx.execute(sql`
    insert into ${receivedCommits} (org_id, project_id, commit_sha, received_at)
    select ${org_id}, ${project_id}, sha, clock_timestamp()
    from unnest(${sql.param(shas)}::text[]) with ordinality as given (sha, position)
    order by position
    on conflict do nothing`);
}

/**
 * Returns the statement of `receiveCommits` for one commit, as a part of another statement with the
 * placeholders `org_id`, `project_id` and `sha`.
 */
export function receiving(tx: Queryable) {
  return tx
    .insert(receivedCommits)
    .values({
      org_id: sql.placeholder("org_id"),
      project_id: sql.placeholder("project_id"),
      commit_sha: sql.placeholder("sha"),
      received_at: sql<string>`clock_timestamp()`,
    })
    .onConflictDoNothing()
    .returning({ commit_sha: receivedCommits.commit_sha });
}

/** A project's receive times: of single commits, and of its imported history, which has no others. */
interface ReceivedTimes {
  received: Map<string, { at: string; sequence: number }>;
  importedAt: string;
}

/**
 * Returns when a commit was received. An imported one has the date it claims, at most that of the
 * import.
 */
export function receiveTimeOf(
  { received, importedAt }: ReceivedTimes,
  { sha, date }: { sha: string; date: Date },
): string {
  const claimed = date.toISOString();
  return received.get(sha)?.at ?? (claimed < importedAt ? claimed : importedAt);
}

/** Returns when commits were received. */
export async function receivedTimes(
  tx: Queryable,
  projectId: string,
  shas: string[],
): Promise<ReceivedTimes> {
  const rows = await tx
    .select({
      sha: receivedCommits.commit_sha,
      at: receivedCommits.received_at,
      sequence: receivedCommits.sequence,
      importedAt: sql<string>`coalesce(${projects.imported_at}, ${projects.created_at})`.mapWith(
        projects.created_at,
      ),
    })
    .from(projects)
    .leftJoin(
      receivedCommits,
      and(
        eq(receivedCommits.project_id, projects.id),
        sql`${receivedCommits.commit_sha} = any(${sql.param(shas)}::text[])`,
      ),
    )
    .where(eq(projects.id, projectId));
  const received: ReceivedTimes["received"] = new Map();
  for (const { sha, at, sequence } of rows) {
    if (sha !== null && at !== null && sequence !== null) received.set(sha, { at, sequence });
  }
  return { received, importedAt: rows[0]?.importedAt ?? new Date(0).toISOString() };
}
