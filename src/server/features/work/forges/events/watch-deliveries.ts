/** Works on deliveries as they come, each connection on its own: a slow forge delays only its own. */
import { setTimeout as pause } from "node:timers/promises";
import * as queries from "./deliveries.queries.js";
import { inTurns } from "../in-turns.js";
import type { WorkDeps } from "./work-deps.js";
import { workOnNext } from "./work/work-on-deliveries.js";

/** Interval of looking for deliveries that wait for another attempt, or that an earlier process has left. */
const LOOK_MS = 2000;
const EXPIRY_BATCH = 5000;

export function watchDeliveries(deps: WorkDeps): { stop(): Promise<void> } {
  const { db, log } = deps;
  const ending = new AbortController();
  const connections = inTurns(async (key) => {
    const [orgId = "", forgeId = ""] = key.split(" ");
    try {
      while (!ending.signal.aborted && (await db.maintenance()) === null) {
        if (!(await workOnNext(deps, orgId, forgeId))) return;
        // Requests of the same connections are read in between.
        await pause(0);
      }
    } catch (error) {
      log.warn({ err: error, forge: forgeId }, "cannot work on the deliveries of a forge");
    }
  });
  let looking: Promise<void> | null = null;
  const look = (): void => {
    looking ??= db
      .withSystem("find deliveries of forges", (tx) => queries.listDueForges(tx, db.node.id))
      .then((due) => {
        for (const { org_id, forge_id } of due) connections.request(`${org_id} ${forge_id}`);
      })
      .catch((error: unknown) => log.warn({ err: error }, "cannot look at deliveries of forges"))
      .finally(() => {
        looking = null;
      });
  };
  const unsubscribe = db.changes.subscribe((change) => {
    if (change === null) look();
    else if (change.table === "forge_deliveries" && change.orgId !== null && change.id !== null) {
      connections.request(`${change.orgId} ${change.id}`);
    }
  });
  const timer = setInterval(look, LOOK_MS);
  timer.unref();
  look();
  return {
    stop: async () => {
      ending.abort();
      unsubscribe();
      clearInterval(timer);
      await looking;
      await connections.end();
    },
  };
}

/** Deletes deliveries that are older than some days. */
export async function expireDeliveries({ db }: Pick<WorkDeps, "db">, days: number): Promise<void> {
  for (;;) {
    const deleted = await db.withSystem("delete old deliveries of forges", (tx) =>
      queries.deleteOldDeliveries(tx, days, EXPIRY_BATCH),
    );
    if (deleted < EXPIRY_BATCH) return;
  }
}
