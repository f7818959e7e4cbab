import type { maintenance, MaintenanceState } from "#shared/api/operation/maintenance.js";
import type { Database } from "../../../db/connection/connect.js";
import type { Handlers } from "../../../http/register-routes.js";
import { changeContextOf } from "../nodes/index.js";
import { endMaintenance, setMaintenance, stateOf } from "./set-maintenance.js";

export function maintenanceHandlers(db: Database): Handlers<typeof maintenance> {
  const read = async (): Promise<MaintenanceState> => stateOf(await db.maintenance());
  return {
    status: read,
    get: read,
    start: (context, { body }) => setMaintenance(changeContextOf(db, context), body.message),
    end: async (context) => {
      await endMaintenance(changeContextOf(db, context));
      return undefined;
    },
  };
}
