import type { Permission } from "#shared/permissions.js";
import type { Origin } from "../db/audit/audit.js";
import type { Queryable } from "../db/connection/connect.js";
import { AppError } from "../errors.js";
import { allows } from "./access.js";
import { readAccess } from "./current-access.js";

/**
 * Whether the caller of an earlier request still has a permission, through a valid credential, in an
 * organization that is not archived. With the organization's lock held, the answer stays valid.
 */
export async function isStillAllowed(
  tx: Queryable,
  origin: Origin | null,
  orgId: string,
  permission: Permission,
): Promise<boolean> {
  if (!origin?.actor) return false;
  const access = await readAccess(tx, restoreActor(origin.actor), orgId).catch(nullIfRefused);
  return access !== null && !access.archived && allows(access, permission);
}

/** Rebuilds the caller of an earlier request; scopes are read again when access is resolved. */
function restoreActor({
  userId,
  agent,
  key,
}: NonNullable<Origin["actor"]>): Parameters<typeof readAccess>[1] {
  const unknown = {
    scopes: [],
    shutOutOf: [],
    perMinute: null,
    used: () => {},
    answered: () => {},
  };
  return { userId, agent, session: null, key: key && { id: key.id, ...unknown } };
}

function nullIfRefused(error: unknown): null {
  if (error instanceof AppError) return null;
  throw error;
}
