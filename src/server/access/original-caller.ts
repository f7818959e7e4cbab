import { sql } from "drizzle-orm";
import type { Permission } from "#shared/permissions.js";
import type { Origin } from "../db/audit/audit.js";
import type { Queryable } from "../db/connection/connect.js";
import { AppError } from "../errors.js";
import type { Actor } from "./authenticate.js";
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
export function restoreActor({
  userId,
  agent,
  key,
}: NonNullable<Origin["actor"]>): Omit<Actor, "kind"> {
  const unknown = {
    scopes: [],
    lockedOutOf: [],
    perMinute: null,
    used: () => {},
    answered: () => {},
  };
  return { userId, agent, session: null, key: key && { id: key.id, ...unknown } };
}

/** Returns the kind of the caller of an earlier request. */
export async function readKind(
  tx: Queryable,
  { userId, agent }: NonNullable<Origin["actor"]>,
): Promise<Actor["kind"]> {
  if (agent !== null) return "agent";
  const { rows } = await tx.execute<{ is_service: boolean }>(
    sql`select kind = 'service' as is_service from users where id = ${userId}`,
  );
  return rows[0]?.is_service === true ? "service_account" : "user";
}

function nullIfRefused(error: unknown): null {
  if (error instanceof AppError) return null;
  throw error;
}
