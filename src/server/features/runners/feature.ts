import { runners } from "#shared/api/runners.js";
import { routesOf } from "../../http/register-routes.js";
import { createCallRate } from "../../models/call-rate.js";
import type { Feature } from "../feature.js";
import type { Services } from "../services.js";
import { createOffers } from "./protocol/offers.js";
import { protocolRoutes } from "./protocol/routes.js";
import { runnerHandlers } from "./routes.js";

/** Requests of a runner per minute, at each process: 50 per second. */
const CALLS_PER_MINUTE = 3000;

export function runnersFeature(services: Services): Feature {
  const { config, db, jobs, storage, workspaces, logStreams, log } = services;
  const offers = createOffers(db, log);
  const closing = new AbortController();
  const protocol = protocolRoutes({
    db,
    jobs,
    storage,
    workspaces,
    streams: logStreams,
    settings: config,
    movesLogs: config.objectStorage !== null,
    log,
    rate: createCallRate(CALLS_PER_MINUTE),
    offers,
    closing: closing.signal,
  });
  return {
    name: "runners",
    routes: [routesOf(runners, runnerHandlers(db)), ...protocol],
    endStreams: () => {
      offers.close();
      closing.abort();
    },
  };
}
