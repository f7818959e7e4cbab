import { and, eq, inArray, sql } from "drizzle-orm";
import type { Forge, ForgeKind } from "#shared/api/work/forges.js";
import type { Queryable } from "../../../../../db/connection/connect.js";
import { forgeSeen } from "../../../../../db/tables/forge-event-tables.js";
import { projectRepositories } from "../../../../../db/tables/forge-tables.js";

/** A connection with repositories to read. */
export interface DueConnection extends Record<string, unknown> {
  org_id: string;
  forge_id: string;
}

const isDue = sql`(r.poll_at is null or r.poll_at <= clock_timestamp())
  and (f.retry_at is null or f.retry_at <= clock_timestamp()) and f.status <> 'suspended'`;

/** Lists a node's connections with repositories that are due. Requires a system transaction. */
export async function listDueConnections(tx: Queryable, nodeId: string): Promise<DueConnection[]> {
  const { rows } = await tx.execute<DueConnection>(sql`
    select distinct r.org_id, r.forge_id from project_repositories r
    join forges f on f.id = r.forge_id
    join organizations o on o.id = r.org_id and o.archived_at is null
    join projects p on p.id = r.project_id and p.deleted_at is null and p.home_node = ${nodeId}::uuid
    where ${isDue}`);
  return rows;
}

export interface DueRepository extends Record<string, unknown> {
  org_id: string;
  project_id: string;
  forge_id: string;
  kind: ForgeKind;
  auth: Forge["auth"];
  delivery: Forge["delivery"];
  name: string;
  hook_id: string | null;
  hook_error: string | null;
  issues_until: string | null;
  first_issues: number | null;
  is_active: boolean;
  sealed_webhook_secret: Buffer | null;
}

/** Reads the repository of a connection that is due first, and how many there are. */
export async function nextDueRepository(
  tx: Queryable,
  forgeId: string,
  nodeId: string,
  activeSeconds: number,
): Promise<{ due: DueRepository; repositories: number; active: number } | null> {
  const isActive = sql`coalesce(r.active_at > now() - make_interval(secs => ${activeSeconds}), false)`;
  const { rows } = await tx.execute<DueRepository>(sql`
    select r.org_id, r.project_id, r.forge_id, f.kind, f.auth, f.delivery, r.name, r.hook_id, r.hook_error,
      wire_time(r.issues_until) as issues_until, r.first_issues, ${isActive} as is_active, f.sealed_webhook_secret
    from project_repositories r
    join forges f on f.id = r.forge_id
    join projects p on p.id = r.project_id and p.deleted_at is null and p.home_node = ${nodeId}::uuid
    where r.forge_id = ${forgeId} and ${isDue}
    order by r.poll_at nulls first limit 1`);
  const [due] = rows;
  if (!due) return null;
  const counts = await tx.execute<{ repositories: number; active: number }>(sql`
    select count(*)::int as repositories, (count(*) filter (where ${isActive}))::int as active
    from project_repositories r where r.forge_id = ${forgeId}`);
  return { due, ...(counts.rows[0] ?? { repositories: 1, active: 0 }) };
}

/** @param isIn seconds until it is read next */
export async function updateRepository(
  tx: Queryable,
  projectId: string,
  changes: Partial<typeof projectRepositories.$inferInsert>,
  isIn?: number,
): Promise<void> {
  await tx
    .update(projectRepositories)
    .set({
      ...changes,
      ...(isIn !== undefined && {
        poll_at: sql`clock_timestamp() + make_interval(secs => ${isIn})`,
      }),
    })
    .where(eq(projectRepositories.project_id, projectId));
}

/** Returns the forge's time of the last change of issues, as far as they were seen. */
export async function changesSeen(
  tx: Queryable,
  projectId: string,
  numbers: readonly number[],
): Promise<Map<number, string | null>> {
  if (numbers.length === 0) return new Map();
  const rows = await tx
    .select({ number: forgeSeen.number, state: forgeSeen.state })
    .from(forgeSeen)
    .where(
      and(
        eq(forgeSeen.project_id, projectId),
        eq(forgeSeen.kind, "issue"),
        inArray(forgeSeen.number, [...numbers]),
      ),
    );
  return new Map(rows.map(({ number, state }) => [number, state.changed_at]));
}

/** Lists the numbers of a project's open pull requests on its forge. */
export async function listOpenRequests(tx: Queryable, projectId: string): Promise<number[]> {
  const { rows } = await tx.execute<{ number: number }>(sql`
    select q.number from pull_requests q
    join project_repositories r on r.project_id = q.project_id and r.forge_id = q.forge_id and r.name = q.repository
    where q.project_id = ${projectId} and q.number is not null and q.state in ('open', 'draft')`);
  return rows.map(({ number }) => number);
}
