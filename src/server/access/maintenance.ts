import type { Database } from "../db/connection/connect.js";
import { inMaintenance } from "../errors.js";

/** @throws AppError 503 `maintenance` */
export async function requireNoMaintenance(db: Pick<Database, "maintenance">): Promise<void> {
  const maintenance = await db.maintenance();
  if (maintenance !== null) throw inMaintenance(maintenance.message);
}
