import { createCallRate } from "../../../models/call-rate.js";
import { createHeldBytes } from "../../../models/held-bytes.js";
import { createProviderClient } from "../../../models/provider-client.js";
import { defaultPrices } from "../../../models/prices.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import type { ModelDeps } from "./call-model.js";
import { createReservations } from "./reservations.js";
import { modelRoutes } from "./routes.js";
import { createUsageRecorder } from "./usage-recorder.js";

/** Memory for requests and answers that are read, of all runs together. */
const MAX_HELD_BYTES = 256 * 1024 * 1024;

export function modelsFeature({ config, db, log, runTokens }: Services): Feature {
  let isClosing = false;
  const prices = { ...defaultPrices, ...config.modelPrices };
  const deps: ModelDeps = {
    db,
    secret: config.secret,
    runTokens,
    client: createProviderClient({
      allowsPrivate: config.modelPrivateHosts,
      idleMs: config.modelTimeoutSeconds * 1000,
    }),
    prices,
    reservations: createReservations(db, prices, log),
    recorder: createUsageRecorder(db, log),
    held: createHeldBytes(MAX_HELD_BYTES),
    rate: createCallRate(config.modelCallsPerMinute),
    runs: new Map(),
    isClosing: () => isClosing,
  };
  return {
    name: "models",
    routes: [modelRoutes(deps)],
    endStreams: () => {
      isClosing = true;
      for (const { calls } of deps.runs.values()) for (const call of calls) call.abort();
    },
    close: async () => {
      await deps.recorder.close();
      deps.reservations.close();
      deps.client.close();
    },
  };
}
