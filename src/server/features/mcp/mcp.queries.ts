import { and, eq, isNull } from "drizzle-orm";
import type { Actor } from "../../access/authenticate.js";
import type { Database } from "../../db/connection/connect.js";
import { agents, memberships, organizations } from "../../db/tables/tables.js";

/** Maximum number of organizations whose permissions count. */
const MAX_ORGANIZATIONS = 100;

/** The organizations of a person or an agent that are not archived. */
export async function organizationIds(db: Database, actor: Actor): Promise<string[]> {
  const rows = await db.withSystem("list the organizations of a caller", (tx) =>
    tx
      .select({ id: memberships.org_id })
      .from(memberships)
      .innerJoin(organizations, eq(organizations.id, memberships.org_id))
      .where(
        and(
          actor.agent === null
            ? eq(memberships.user_id, actor.userId)
            : eq(memberships.agent_id, actor.agent.id),
          isNull(organizations.archived_at),
        ),
      )
      .limit(MAX_ORGANIZATIONS),
  );
  return rows.map(({ id }) => id);
}

/** The project of an agent. */
export async function agentProject(db: Database, agentId: string): Promise<string | null> {
  const [row] = await db.withSystem("find the project of an agent", (tx) =>
    tx.select({ id: agents.project_id }).from(agents).where(eq(agents.id, agentId)),
  );
  return row?.id ?? null;
}
