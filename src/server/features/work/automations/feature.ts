import { automations } from "#shared/api/work/automations.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { deleteOldFirings } from "./firings.queries.js";
import { hookRoutes } from "./hook/hook-routes.js";
import { automationHandlers } from "./routes.js";
import { watchAutomations } from "./firing/watch-automations.js";

/** Days for which decided firings are kept. */
const FIRING_DAYS = 90;
const EXPIRY_BATCH = 5000;

export function automationsFeature(services: Services): Feature {
  const { config, db, ownRuns, publicUrl, log } = services;
  const deps = {
    db,
    runs: ownRuns.deps,
    publicUrl,
    log,
    secret: config.secret,
    verificationKey: db.verificationKey,
  };
  let watch: ReturnType<typeof watchAutomations> | undefined;
  return {
    name: "automations",
    routes: [routesOf(automations, automationHandlers(deps)), hookRoutes(deps)],
    start: () => {
      watch = watchAutomations(deps);
    },
    hourly: async () => {
      for (let deleted = EXPIRY_BATCH; deleted === EXPIRY_BATCH;) {
        deleted = await db.withSystem("delete old firings", (tx) =>
          deleteOldFirings(tx, FIRING_DAYS, EXPIRY_BATCH),
        );
      }
    },
    stop: async () => watch?.stop(),
  };
}
