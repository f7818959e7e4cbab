import type { Database } from "../db/connection/connect.js";
import { notFound } from "../errors.js";
import type { Actor } from "./authenticate.js";

/**
 * Lets super admins through, by a session or a key of full access. To everybody else the call is absent.
 * @throws AppError 404
 */
export async function requireSuperAdmin(
  db: Database,
  { userId, agent, key }: Actor,
): Promise<void> {
  if (agent !== null || (key !== null && !key.scopes.includes("*:*"))) throw notFound();
  const { rows } = await db.systemPool.query({
    name: "is a super admin",
    text: "select from users where id = $1 and is_super_admin and is_active",
    values: [userId],
  });
  if (rows.length === 0) throw notFound();
  key?.used(null, "*:*");
}
