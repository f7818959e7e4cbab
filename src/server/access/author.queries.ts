import { eq, sql } from "drizzle-orm";
import type { Run } from "#shared/api/execution/runs.js";
import type { Queryable } from "../db/connection/connect.js";
import { users } from "../db/tables/identity-tables.js";
import type { Actor } from "./authenticate.js";

/** The stored author of a change: an agent by its name, a user or a service account by the current display name. */
export const authorOf = ({
  actor: { kind, userId, agent },
}: {
  actor: Pick<Actor, "kind" | "userId" | "agent">;
}) =>
  sql<NonNullable<Run["started_by"]>>`jsonb_build_object(
    'type', ${kind}::text, 'id', ${agent?.id ?? userId}::text,
    'name', coalesce(${agent?.name ?? null}::text,
      (select coalesce(full_name, email) from users where id = ${userId}::uuid), 'somebody'))`;

/** Returns a user's display name. Requires a system transaction or the user's organization. */
export async function readDisplayName(tx: Queryable, userId: string): Promise<string> {
  const [row] = await tx
    .select({ name: sql<string>`coalesce(${users.full_name}, ${users.email})` })
    .from(users)
    .where(eq(users.id, userId));
  return row?.name ?? "a deleted user";
}
