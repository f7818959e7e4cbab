import { eq } from "drizzle-orm";
import type { Actor } from "../../../access/authenticate.js";
import { cached } from "../../../db/cache/cache.js";
import type { Database } from "../../../db/connection/connect.js";
import { agents, memberships, organizations } from "../../../db/tables/tables.js";

/** Maximum number of organizations whose permissions count. */
const MAX_ORGANIZATIONS = 100;

/** The organizations and the project in which a caller acts. */
interface Places {
  /** Its organizations that are not archived. */
  orgIds: readonly string[];
  /** The project of an agent; null for others. */
  projectId: string | null;
}

/** Returns a cached look-up of the places of a person or an agent. */
export function placesIn(db: Database): (actor: Actor) => Promise<Places> {
  const places = cached<Places>({
    changes: db.changes,
    load: async (subject) => {
      const [kind, id] = subject.split(" ") as ["agent" | "user", string];
      const member = kind === "agent" ? memberships.agent_id : memberships.user_id;
      const rows = await db.withSystem("find the organizations of a caller", (tx) =>
        tx
          .select({
            id: organizations.id,
            archivedAt: organizations.archived_at,
            projectId: agents.project_id,
          })
          .from(memberships)
          .innerJoin(organizations, eq(organizations.id, memberships.org_id))
          .leftJoin(agents, eq(agents.id, memberships.agent_id))
          .where(eq(member, id)),
      );
      const active = rows.filter(({ archivedAt }) => archivedAt === null);
      return {
        value: {
          orgIds: active.slice(0, MAX_ORGANIZATIONS).map((row) => row.id),
          projectId: rows[0]?.projectId ?? null,
        },
        sources: [
          ...(kind === "user" ? [`user ${id}` as const] : []),
          ...rows.map((row) => `organization ${row.id}` as const),
        ],
      };
    },
  });
  return async ({ agent, opinion, userId }) => {
    if (opinion) return { orgIds: [opinion.orgId], projectId: opinion.projectId };
    const found = await places(agent === null ? `user ${userId}` : `agent ${agent.id}`);
    return found ?? { orgIds: [], projectId: null };
  };
}
