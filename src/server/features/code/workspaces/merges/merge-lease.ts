/** Marks workspaces as merging. */
import { eq, sql } from "drizzle-orm";
import { newId } from "../../../../db/tables/columns.js";
import type { Database, Queryable } from "../../../../db/connection/connect.js";
import { mergeLeases } from "../../../../db/tables/workspace-tables.js";

/** Duration and renewal interval of a lease. */
const LEASE_SECONDS = 60;
const RENEWAL_MS = 20_000;
/** A shorter merge is not marked: it would end before anyone sees it. */
const UNMARKED_MS = 150;

/**
 * Runs a merge, including its wait, and marks the workspace as `merging` if it takes longer than
 * `UNMARKED_MS`. The merge does not depend on the mark.
 */
export async function withMergeLease<Result>(
  db: Database,
  { orgId, agentId }: { orgId: string; agentId: string },
  work: () => Promise<Result>,
): Promise<Result> {
  const id = newId();
  const until = sql`now() + make_interval(secs => ${LEASE_SECONDS})`;
  /** The last statement; a lease must not be written after its deletion. */
  let writing: Promise<unknown> | undefined;
  const write = (change: (tx: Queryable) => Promise<unknown>): void => {
    const execute = async (): Promise<void> => {
      await db.tenant(orgId, async (tx) => {
        // Not durable: it is useless after a crash.
        await tx.execute(sql`set local synchronous_commit = off`);
        await change(tx);
      });
    };
    // A lease that cannot be written or released expires.
    writing = (writing ?? Promise.resolve()).then(execute).catch(() => undefined);
  };
  const mark = (): void =>
    write((tx) => tx.insert(mergeLeases).values({ id, org_id: orgId, agent_id: agentId, until }));
  const renew = (): void =>
    write((tx) => tx.update(mergeLeases).set({ until }).where(eq(mergeLeases.id, id)));
  const marking = setTimeout(mark, UNMARKED_MS);
  const renewing = setInterval(renew, RENEWAL_MS);
  try {
    return await work();
  } finally {
    clearTimeout(marking);
    clearInterval(renewing);
    if (writing) write((tx) => tx.delete(mergeLeases).where(eq(mergeLeases.id, id)));
    await writing;
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

/** Deletes expired leases, and with `all` (no other process is running) those of dead processes. */
export async function clearMergeLeases(db: Database, all: boolean): Promise<void> {
  await db.withSystem("delete leases of dead processes", (tx) =>
    tx.delete(mergeLeases).where(all ? undefined : sql`${mergeLeases.until} < now()`),
  );
}
