import { and, asc, count, eq, gt, sql } from "drizzle-orm";
import type { Forge } from "#shared/api/work/forges.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { forgeSeen } from "../../../db/tables/forge-event-tables.js";
import { forges, projectRepositories } from "../../../db/tables/forge-tables.js";
import { organizations } from "../../../db/tables/tables.js";

export type ForgeRow = typeof forges.$inferSelect;

const shown = {
  id: forges.id,
  kind: forges.kind,
  name: forges.name,
  url: forges.url,
  api_url: forges.api_url,
  auth: forges.auth,
  app_id: forges.app_id,
  installation_id: forges.installation_id,
  account: forges.account,
  oauth_client_id: forges.client_id,
  status: forges.status,
  status_reason: forges.status_reason,
  delivery: forges.delivery,
  hook_error: sql<
    string | null
  >`(select min(r.name || ': ' || r.hook_error) from project_repositories r
    where r.forge_id = forges.id and forges.delivery = 'webhook' and r.hook_id is null)`,
  last_event_at: forges.last_event_at,
  projects: sql<number>`(select count(*)::int from project_repositories r
    join projects p on p.id = r.project_id and p.deleted_at is null
    where r.forge_id = forges.id)`,
  created_at: forges.created_at,
  updated_at: forges.updated_at,
};

/** Lists the connections of the transaction's organization, in the order of their creation, after an id. */
export function listForges(tx: Queryable, after: string | null, limit: number): Promise<Forge[]> {
  return tx
    .select(shown)
    .from(forges)
    .where(after === null ? undefined : gt(forges.id, after))
    .orderBy(asc(forges.id))
    .limit(limit);
}

export async function findForge(tx: Queryable, id: string): Promise<Forge | undefined> {
  const [row] = await tx.select(shown).from(forges).where(eq(forges.id, id));
  return row;
}

/** Reads a connection with its encrypted credential. */
export async function findForgeRow(tx: Queryable, id: string): Promise<ForgeRow | undefined> {
  const [row] = await tx.select().from(forges).where(eq(forges.id, id));
  return row;
}

export async function countForges(tx: Queryable): Promise<number> {
  const [row] = await tx.select({ forges: count() }).from(forges);
  return row?.forges ?? 0;
}

export async function insertForge(tx: Queryable, row: typeof forges.$inferInsert): Promise<void> {
  await tx.insert(forges).values(row);
}

export async function updateForge(
  tx: Queryable,
  id: string,
  changes: Partial<typeof forges.$inferInsert>,
): Promise<void> {
  await tx
    .update(forges)
    .set({ ...changes, updated_at: sql<string>`clock_timestamp()` })
    .where(eq(forges.id, id));
}

/** Records what the last request showed. The time of the last change stays: people did not change it. */
export async function setStatus(
  tx: Queryable,
  { id, updated_at }: Pick<ForgeRow, "id" | "updated_at">,
  status: Pick<ForgeRow, "status" | "status_reason" | "retry_at">,
): Promise<void> {
  await tx
    .update(forges)
    .set(status)
    .where(and(eq(forges.id, id), eq(forges.updated_at, updated_at)));
}

/** Forgets what was seen of the repository that a project was linked to before. */
export async function forgetSeen(tx: Queryable, projectId: string): Promise<void> {
  await tx.delete(forgeSeen).where(eq(forgeSeen.project_id, projectId));
}

/** Lets hooks be registered again, with another secret. */
export async function forgetHooks(tx: Queryable, forgeId: string): Promise<void> {
  await tx
    .update(projectRepositories)
    .set({ hook_id: null, hook_error: null })
    .where(eq(projectRepositories.forge_id, forgeId));
}

export async function forgetHookErrors(tx: Queryable, forgeId: string): Promise<void> {
  await tx
    .update(projectRepositories)
    .set({ hook_error: null })
    .where(eq(projectRepositories.forge_id, forgeId));
}

export async function deleteForge(tx: Queryable, id: string): Promise<void> {
  await tx.delete(forges).where(eq(forges.id, id));
}

/** Returns the slug of an organization. */
export async function readSlug(tx: Queryable, orgId: string): Promise<string> {
  const [row] = await tx
    .select({ slug: organizations.slug })
    .from(organizations)
    .where(eq(organizations.id, orgId));
  return row?.slug ?? "";
}
