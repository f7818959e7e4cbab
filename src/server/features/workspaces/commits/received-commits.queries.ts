/** When the server first received commits. */
import { and, eq, sql } from "drizzle-orm";
import type { Queryable } from "../../../db/connection/connect.js";
import { projects } from "../../../db/tables/tables.js";
import { receivedCommits } from "../../../db/tables/workspace-tables.js";

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

/** Returns the statement of `receiveCommits` for one commit, as a part of another statement. */
export function receiving(tx: Queryable, { org_id, project_id }: ProjectKey, sha: string) {
  return tx
    .insert(receivedCommits)
    .values({
      org_id,
      project_id,
      commit_sha: sha,
      received_at: sql<string>`clock_timestamp()`,
    })
    .onConflictDoNothing()
    .returning({ commit_sha: receivedCommits.commit_sha });
}

/** When commits were received; imported ones are missing, see `importedAt`. */
export async function receivedTimes(
  tx: Queryable,
  projectId: string,
  shas: string[],
): Promise<Map<string, { at: string; sequence: number }>> {
  const rows = await tx
    .select({
      sha: receivedCommits.commit_sha,
      at: receivedCommits.received_at,
      sequence: receivedCommits.sequence,
    })
    .from(receivedCommits)
    .where(
      and(
        eq(receivedCommits.project_id, projectId),
        sql`${receivedCommits.commit_sha} = any(${sql.param(shas)}::text[])`,
      ),
    );
  return new Map(rows.map(({ sha, at, sequence }) => [sha, { at, sequence }]));
}

/** When a project's imported history was received. */
export async function importedAt(tx: Queryable, projectId: string): Promise<string> {
  const [row] = await tx
    .select({ imported_at: projects.imported_at, created_at: projects.created_at })
    .from(projects)
    .where(eq(projects.id, projectId));
  return row?.imported_at ?? row?.created_at ?? new Date(0).toISOString();
}
