import type { Database } from "../db/connection/connect.js";
import { notFound } from "../errors.js";
import { isPerson, type Actor } from "./authenticate.js";

/**
 * Requires a super admin with a session or a key with full access; for others the endpoint does not
 * exist.
 * @throws AppError 404
 */
export async function requireSuperAdmin(db: Database, actor: Actor): Promise<void> {
  const { userId, key } = actor;
  if (!isPerson(actor) || (key !== null && !key.scopes.includes("*:*"))) throw notFound();
  const { rows } = await db.systemPool.query({
    name: "check whether a user is a super admin",
    text: "select from users where id = $1 and is_super_admin and is_active",
    values: [userId],
  });
  if (rows.length === 0) throw notFound();
  key?.used(null, "*:*");
}
