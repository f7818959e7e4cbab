import { and, eq, isNull, sql } from "drizzle-orm";
import type { ProtectedBranch } from "#shared/code/protection.js";
import { reusable, type Queryable } from "../../../../db/connection/connect.js";
import { projects, protectedBranches } from "../../../../db/tables/tables.js";

/** Returns the rules of a project's branches. */
export async function readProtectedBranches(
  tx: Queryable,
  projectId: string,
): Promise<ProtectedBranch[]> {
  const [row] = await protectionOf(tx, { projectId });
  return row?.entries ?? [];
}

const protectionOf = reusable((tx) =>
  tx
    .select({ entries: protectedBranches })
    .from(projects)
    .where(eq(projects.id, sql.placeholder("projectId")))
    .prepare("read the protected branches of a project"),
);

export async function writeProtectedBranches(
  tx: Queryable,
  projectId: string,
  entries: ProtectedBranch[],
): Promise<void> {
  await tx
    .update(projects)
    .set({ protected_branches: entries, updated_at: sql`now()` })
    .where(eq(projects.id, projectId));
}

/** Returns the name of a project that is not deleted. */
export async function findActiveProjectName(
  tx: Queryable,
  projectId: string,
): Promise<string | undefined> {
  const [row] = await tx
    .select({ name: projects.name })
    .from(projects)
    .where(and(eq(projects.id, projectId), isNull(projects.deleted_at)));
  return row?.name;
}
