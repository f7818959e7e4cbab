/** When the server first received commits. */
import { and, eq, sql } from "drizzle-orm";
import type { Queryable } from "../../../db/connection/connect.js";
import { projects } from "../../../db/tables/tables.js";
import { receivedCommits } from "../../../db/tables/workspace-tables.js";

/** Notes when the server first received a commit; a later time changes nothing. */
export async function receiveCommit(
  tx: Queryable,
  orgId: string,
  projectId: string,
  sha: string,
): Promise<void> {
  await receiving(tx, orgId, projectId, sha);
}

/** As `receiveCommit` for many at one time, the later ones in the list after the earlier ones. */
export async function receiveCommits(
  tx: Queryable,
  orgId: string,
  projectId: string,
  shas: readonly string[],
): Promise<void> {
  await tx.execute(sql`
    insert into received_commits (org_id, project_id, commit_sha, received_at)
    select ${orgId}, ${projectId}, sha, statement_timestamp()
    from unnest(${sql.param(shas)}::text[]) with ordinality as given (sha, position)
    order by position
    on conflict do nothing`);
}

/** The statement of `receiveCommit`, to be a part of another. */
export function receiving(tx: Queryable, orgId: string, projectId: string, sha: string) {
  return tx
    .insert(receivedCommits)
    .values({
      org_id: orgId,
      project_id: projectId,
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
