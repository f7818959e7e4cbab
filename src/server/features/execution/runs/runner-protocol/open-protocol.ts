import { createCallRate } from "../../../../models/call-rate.js";
import type { Routes } from "../../../../http/register-routes.js";
import type { Services } from "../../../services.js";
import { createOffers } from "./offers.js";
import { protocolRoutes } from "./routes.js";

/** Requests of a runner per minute, at each process: 50 per second. */
const CALLS_PER_MINUTE = 3000;

/** The calls of runners at this process. */
export interface RunnerProtocol {
  routes: Routes[];
  /** Ends requests that wait, and work that is being taken. */
  endStreams(): void;
}

export function openRunnerProtocol(services: Services): RunnerProtocol {
  const { config, db, jobs, storage, workspaces, logStreams, log } = services;
  const offers = createOffers(db, log);
  const closing = new AbortController();
  const routes = protocolRoutes({
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
    routes,
    endStreams: () => {
      offers.close();
      closing.abort();
    },
  };
}
