import { recordInstallationEvent } from "#server/db/audit/installation-audit.js";
import type { TestApp } from "../server/app.js";

/** Records a backup of the server with this id; null for a backup of earlier versions, which names none. */
export function recordBackup(app: TestApp, id: string | null): Promise<unknown> {
  return app.db.withSystemTx("record a backup", (tx) =>
    recordInstallationEvent(
      tx,
      { actor: { operator: "root" }, ip: null, requestId: null },
      {
        action: "backup.created",
        target: id === null ? null : { type: "node", id, name: "server" },
        changes: {},
      },
    ),
  );
}
