import { createProviderClient } from "../../models/provider-client.js";
import { defaultPrices } from "../../models/prices.js";
import type { Feature } from "../feature.js";
import type { Services } from "../services.js";
import type { ModelDeps } from "./call-model.js";
import { modelRoutes } from "./routes.js";
import { createUsageRecorder } from "./usage-recorder.js";

export function modelsFeature({ config, db, log, runTokens }: Services): Feature {
  const deps: ModelDeps = {
    db,
    secret: config.secret,
    runTokens,
    client: createProviderClient({
      allowsPrivate: config.modelPrivateHosts,
      idleMs: config.modelTimeoutSeconds * 1000,
    }),
    prices: { ...defaultPrices, ...config.modelPrices },
    recorder: createUsageRecorder(db, log),
    open: new Set(),
    calls: new Map(),
  };
  return {
    name: "models",
    routes: [modelRoutes(deps)],
    endStreams: () => {
      for (const answer of deps.open) answer.destroy();
    },
    close: async () => {
      await deps.recorder.close();
      deps.client.close();
    },
  };
}
