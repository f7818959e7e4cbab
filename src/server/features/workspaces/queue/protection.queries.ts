import { and, eq, isNull } from "drizzle-orm";
import type { ProtectedBranch } from "#shared/protection.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { projects, protectedBranches } from "../../../db/tables/tables.js";

/** Returns the rules of a project's branches. */
export async function readProtectedBranches(
  tx: Queryable,
  projectId: string,
): Promise<ProtectedBranch[]> {
  const [row] = await tx
    .select({ entries: protectedBranches })
    .from(projects)
    .where(eq(projects.id, projectId));
  return row?.entries ?? [];
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
