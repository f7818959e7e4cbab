import type { Permission } from "#shared/permissions.js";
import { allows } from "../../access/access.js";
import type { Actor } from "../../access/authenticate.js";
import { authorizedWrites, readAccess } from "../../access/current-access.js";
import { readKind, restoreActor } from "../../access/original-caller.js";
import type { Origin } from "../../db/audit/audit.js";
import type { Database } from "../../db/connection/connect.js";
import { AppError, notFound } from "../../errors.js";
import type { CallerContext } from "./request-context.js";

/**
 * Returns the context of an earlier request that led to work of agents, with the permissions of its caller as they are
 * now.
 * @param permission needed by each change
 * @throws AppError 401 if its key has ended; 403 if the caller may not start agents any more
 */
export async function restoreContext(
  db: Database,
  { org_id: orgId, origin }: { org_id: string; origin: Origin },
  permission: Permission,
): Promise<CallerContext> {
  const lost = (): AppError =>
    new AppError("insufficient_permission", "Who asked for it may not start agents any more.");
  const { actor: author, requestId, ip } = origin;
  if (author === null) throw lost();
  const restored = restoreActor(author);
  const { access, kind } = await db.tenant(orgId, async (tx) => ({
    access: await readAccess(tx, { ...restored, session: null }, orgId),
    kind: await readKind(tx, author),
  }));
  if (access === null || !allows(access, "agent:run")) throw lost();
  const actor: Actor = { ...restored, kind };
  const demand = {
    requestId,
    ip,
    actor,
    orgId,
    permission,
    whenArchived: false,
    absent: notFound,
  } as const;
  const tx: CallerContext["tx"] = (work) => db.read(orgId, work);
  const writes = authorizedWrites(db, demand);
  return { requestId: requestId ?? "", ip: ip ?? "", actor, orgId, access, tx, ...writes };
}
