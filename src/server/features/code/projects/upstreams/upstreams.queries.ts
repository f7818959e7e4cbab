/** The projects' upstreams and their credentials. */
import { and, eq, inArray, isNull, sql } from "drizzle-orm";
import type { PgUpdateSetSource } from "drizzle-orm/pg-core";
import type { Queryable } from "../../../../db/connection/connect.js";
import { projectRepositories, pullRequests } from "../../../../db/tables/forge-tables.js";
import {
  projects,
  upstreamCredentials,
  upstreams,
  type UpstreamOperation,
} from "../../../../db/tables/tables.js";

export type StoredCredential = Omit<
  typeof upstreamCredentials.$inferInsert,
  "project_id" | "org_id" | "set_at"
>;

export async function insertUpstream(
  tx: Queryable,
  values: { project_id: string; org_id: string; host_key: string | null },
): Promise<void> {
  await tx.insert(upstreams).values({ ...values, status: "idle" });
}

export async function updateUpstream(
  tx: Queryable,
  projectId: string,
  changes: Omit<PgUpdateSetSource<typeof upstreams>, "project_id" | "org_id">,
): Promise<void> {
  await tx.update(upstreams).set(changes).where(eq(upstreams.project_id, projectId));
}

/** Like `updateUpstream`, while the operation is in progress. Returns false if it was canceled. */
export async function updateOperation(
  tx: Queryable,
  projectId: string,
  operation: UpstreamOperation,
  changes: Parameters<typeof updateUpstream>[2],
): Promise<boolean> {
  const isStill = sql`${upstreams.act} ->> 'id' = ${operation.id}`;
  const rows = await tx
    .update(upstreams)
    .set(changes)
    .where(and(eq(upstreams.project_id, projectId), isStill))
    .returning({ id: upstreams.project_id });
  return rows.length > 0;
}

/** Records the start of an operation. Returns false if one is already in progress. */
export async function beginOperation(
  tx: Queryable,
  projectId: string,
  operation: UpstreamOperation,
): Promise<boolean> {
  const rows = await tx
    .update(upstreams)
    .set({
      status: operation.push === null ? "fetching" : "pushing",
      progress: 0,
      error: null,
      act: operation,
    })
    .where(and(eq(upstreams.project_id, projectId), inArray(upstreams.status, ["idle", "failed"])))
    .returning({ id: upstreams.project_id });
  return rows.length > 0;
}

/** Ends a fetch that is pending or in progress. Returns false if there is none. */
export async function endFetch(tx: Queryable, projectId: string): Promise<boolean> {
  const rows = await tx
    .update(upstreams)
    .set({ status: "idle", progress: 0, error: null, act: null })
    .where(and(eq(upstreams.project_id, projectId), eq(upstreams.status, "fetching")))
    .returning({ id: upstreams.project_id });
  return rows.length > 0;
}

export async function findOperation(
  tx: Queryable,
  projectId: string,
): Promise<UpstreamOperation | null> {
  const [row] = await tx
    .select({ act: upstreams.act })
    .from(upstreams)
    .where(
      and(eq(upstreams.project_id, projectId), inArray(upstreams.status, ["fetching", "pushing"])),
    );
  return row?.act ?? null;
}

/** Reads the encrypted credential, the expected host key, and the repository of a forge, if it is linked to one. */
export async function findAccess(tx: Queryable, projectId: string) {
  const [row] = await tx
    .select({
      host_key: upstreams.host_key,
      sealed: upstreamCredentials.sealed,
      repository: { forge_id: projectRepositories.forge_id, name: projectRepositories.name },
    })
    .from(upstreams)
    .leftJoin(projectRepositories, eq(projectRepositories.project_id, upstreams.project_id))
    .leftJoin(upstreamCredentials, eq(upstreamCredentials.project_id, upstreams.project_id))
    .where(eq(upstreams.project_id, projectId));
  return row;
}

export async function putCredential(
  tx: Queryable,
  ids: { project_id: string; org_id: string },
  credential: StoredCredential,
): Promise<void> {
  const values = { ...credential, set_at: sql<string>`now()` };
  await tx
    .insert(upstreamCredentials)
    .values({ ...ids, ...values })
    .onConflictDoUpdate({ target: upstreamCredentials.project_id, set: values });
}

/** Links a project to a repository of a forge. */
export async function putRepository(
  tx: Queryable,
  { project_id, org_id, ...repository }: typeof projectRepositories.$inferInsert,
): Promise<void> {
  // What was seen of another repository says nothing about this one.
  const unseen = { hook_id: null, hook_error: null, issues_until: null, first_issues: null };
  const values = {
    ...repository,
    ...unseen,
    poll_at: null,
    active_at: null,
    linked_at: sql<string>`now()`,
  };
  await tx
    .insert(projectRepositories)
    .values({ project_id, org_id, ...values })
    .onConflictDoUpdate({ target: projectRepositories.project_id, set: values });
}

export type Templates = Partial<
  Pick<typeof projectRepositories.$inferInsert, "branch_template" | "body_template">
>;

/** Changes the templates of a linked project. */
export async function updateTemplates(
  tx: Queryable,
  projectId: string,
  templates: Templates,
): Promise<void> {
  await tx
    .update(projectRepositories)
    .set(templates)
    .where(eq(projectRepositories.project_id, projectId));
}

/** Lists the branches that pull requests of a project were pushed to. */
export async function listPullRequestBranches(
  tx: Queryable,
  projectId: string,
): Promise<ReadonlySet<string>> {
  const rows = await tx
    .select({ head: pullRequests.head })
    .from(pullRequests)
    .where(eq(pullRequests.project_id, projectId));
  return new Set(rows.map(({ head }) => head));
}

export async function deleteCredential(tx: Queryable, projectId: string): Promise<boolean> {
  const rows = await tx
    .delete(upstreamCredentials)
    .where(eq(upstreamCredentials.project_id, projectId))
    .returning({ id: upstreamCredentials.project_id });
  return rows.length > 0;
}

/** Lists upstreams of all organizations with an operation in progress. Requires a system transaction. */
export async function listActiveOperations(
  db: Queryable,
  nodeId: string,
): Promise<{ id: string; org_id: string }[]> {
  return db
    .select({ id: upstreams.project_id, org_id: upstreams.org_id })
    .from(upstreams)
    .innerJoin(projects, eq(projects.id, upstreams.project_id))
    .where(
      and(
        inArray(upstreams.status, ["fetching", "pushing"]),
        isNull(projects.deleted_at),
        eq(projects.home_node, nodeId),
      ),
    );
}
