import { safeMessage, type RunScript } from "#execution/scripts/run-script.js";
import type { Masker } from "#execution/logs/mask-secrets.js";
import type { Database } from "../../../../db/connection/connect.js";
import type { RunCommits } from "../../../code/workspaces/index.js";
import * as managed from "../managed-runs.queries.js";
import type { ManagedRun } from "../managed-runs.queries.js";
import type { RunSettings } from "../run-settings.js";

/** Returns the repository of a run, from which commits are taken until the signal aborts. */
export function commitsOf(
  db: Database,
  { id, org_id }: Pick<ManagedRun, "id" | "org_id">,
  sharedUid: number | null,
  runScript: RunScript,
  { maxPushMib }: Pick<RunSettings, "maxPushMib">,
  masker: Pick<Masker, "mask">,
  signal: AbortSignal,
): RunCommits {
  return {
    sharedUid,
    findTip: () => db.tenant(org_id, (tx) => managed.findRepository(tx, id)),
    runScript,
    maxBytes: maxPushMib * 1024 * 1024,
    signal,
    begin: (tx, taking) => managed.recordTaking(tx, id, taking),
    record: (tx, taken) => {
      const error = taken.error === null ? null : safeMessage(taken.error, masker);
      return managed.recordTakenCommits(tx, id, { ...taken, error });
    },
  };
}
