import type { MaintenanceState } from "#shared/api/operation/maintenance.js";
import { recordInstallationEvent } from "../../../db/audit/installation-audit.js";
import {
  lockMaintenance,
  readMaintenance,
  writeMaintenance,
  type Maintenance,
} from "../../../db/maintenance.js";
import type { AdminContext } from "../../identity/people/index.js";

type MaintenanceContext = Pick<AdminContext, "origin" | "change">;

/** Returns the state as the API answers it. */
export function stateOf(maintenance: Maintenance | null): MaintenanceState {
  const { message = null, since = null } = maintenance ?? {};
  return { active: maintenance !== null, message, since };
}

/** Begins maintenance, or changes its message. Writes that began before may still end. */
export function setMaintenance(
  context: MaintenanceContext,
  message: string,
): Promise<MaintenanceState> {
  return change(context, message);
}

/** Ends maintenance. Waiting work begins within seconds. */
export function endMaintenance(context: MaintenanceContext): Promise<MaintenanceState> {
  return change(context, null);
}

function change(
  { origin, change: run }: MaintenanceContext,
  message: string | null,
): Promise<MaintenanceState> {
  return run(async (tx) => {
    const before = await lockMaintenance(tx);
    const from = before?.message ?? null;
    if (from === message) return stateOf(before);
    await writeMaintenance(tx, message);
    await recordInstallationEvent(tx, origin, {
      action:
        message === null
          ? "maintenance.ended"
          : before === null
            ? "maintenance.started"
            : "maintenance.changed",
      target: null,
      changes: { message: { from, to: message } },
    });
    return stateOf(await readMaintenance(tx));
  });
}
