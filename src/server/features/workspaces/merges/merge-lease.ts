/** Marks workspaces as merging. */
import { eq, sql } from "drizzle-orm";
import { newId } from "../../../db/tables/columns.js";
import type { Database } from "../../../db/connection/connect.js";
import { mergeLeases } from "../../../db/tables/workspace-tables.js";
import { requireWorkspace } from "../workspace.js";

/** Duration and renewal interval of a lease. */
const LEASE_SECONDS = 60;
const RENEWAL_MS = 20_000;

/**
 * Runs a merge, including its wait, and marks the workspace as `merging` meanwhile.
 * @throws AppError 404 `workspace_missing`, 410 `workspace_expired`
 */
export async function withMergeLease<Result>(
  db: Database,
  { orgId, agentId }: { orgId: string; agentId: string },
  work: () => Promise<Result>,
): Promise<Result> {
  const id = newId();
  const until = sql`now() + make_interval(secs => ${LEASE_SECONDS})`;
  await db.tenant(orgId, async (tx) => {
    await requireWorkspace(tx, agentId);
    // Not durable: it is useless after a crash.
    await tx.execute(sql`set local synchronous_commit = off`);
    await tx.insert(mergeLeases).values({ id, org_id: orgId, agent_id: agentId, until });
  });
  const renewing = setInterval(() => {
    db.tenant(orgId, (tx) =>
      tx.update(mergeLeases).set({ until }).where(eq(mergeLeases.id, id)),
    ).catch(lapse);
  }, RENEWAL_MS);
  try {
    return await work();
  } finally {
    clearInterval(renewing);
    await db
      .tenant(orgId, async (tx) => {
        await tx.execute(sql`set local synchronous_commit = off`);
        await tx.delete(mergeLeases).where(eq(mergeLeases.id, id));
      })
      .catch(lapse);
  }
}

/** Whether a workspace of the project is being merged by any process. */
export async function isMerging(db: Database, orgId: string, projectId: string): Promise<boolean> {
  const { rows } = await db.tenant(orgId, (tx) =>
    tx.execute<{ found: boolean }>(sql`select exists (
      select from merges_under_way m join agents a on a.id = m.agent_id
      where a.project_id = ${projectId} and m.until > now()) as found`),
  );
  return rows[0]?.found ?? false;
}

/** A lease that cannot be written or released expires; the merge does not depend on it. */
function lapse(): void {}

/** Deletes expired leases, and with `all` (no other process is running) those of dead processes. */
export async function clearMergeLeases(db: Database, all: boolean): Promise<void> {
  await db.withSystem("delete leases of dead processes", (tx) =>
    tx.delete(mergeLeases).where(all ? undefined : sql`${mergeLeases.until} < now()`),
  );
}
