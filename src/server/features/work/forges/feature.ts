import { forgePeople } from "#shared/api/work/forge-people.js";
import { forgeDeliveries } from "#shared/api/work/forge-deliveries.js";
import { forges } from "#shared/api/work/forges.js";
import { githubApps } from "#shared/api/work/github-apps.js";
import { pullRequests } from "#shared/api/work/pull-requests.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { fireAutomations, isListenedTo } from "../automations/index.js";
import { watchComments } from "./events/comments/watch-comments.js";
import { watchRepositories } from "./events/polling/watch-repositories.js";
import { eventRoutes } from "./events/receive-event.js";
import { forgeDeliveryHandlers } from "./events/routes.js";
import { expireDeliveries, watchDeliveries } from "./events/watch-deliveries.js";
import type { WorkDeps } from "./events/work-deps.js";
import { githubAppHandlers } from "./github-app/routes.js";
import { forgePeopleHandlers } from "./people/routes.js";
import type { PullRequestDeps } from "./pull-requests/advance-pull-request.js";
import { pullRequestHandlers } from "./pull-requests/routes.js";
import { watchPullRequests } from "./pull-requests/watch-pull-requests.js";
import { forgeHandlers } from "./routes.js";

export function forgesFeature(services: Services): Feature {
  const {
    config,
    db,
    jobs,
    storage,
    workspaces,
    publicUrl,
    log,
    forgeClients,
    forges: access,
  } = services;
  const { secret, forgePrivateHosts } = config;
  const forgeDeps = { db, secret, clients: forgeClients };
  const deps: PullRequestDeps = {
    ...forgeDeps,
    rules: config,
    forges: access,
    jobs,
    storage,
    workspaces,
    runs: services.ownRuns.deps,
    publicUrl,
    log,
  };
  const firing = { db, runs: services.ownRuns.deps, publicUrl, log };
  const automations: WorkDeps["automations"] = {
    fire: (event) => fireAutomations(firing, event),
    listens: (event) => isListenedTo(firing, event),
  };
  const work: WorkDeps = { ...deps, automations };
  let watches: { stop(): Promise<void> }[] = [];
  return {
    name: "forges",
    routes: [
      routesOf(forges, forgeHandlers({ ...forgeDeps, forgePrivateHosts, publicUrl })),
      routesOf(forgeDeliveries, forgeDeliveryHandlers()),
      eventRoutes({ db, secret }),
      routesOf(forgePeople, forgePeopleHandlers(forgeDeps)),
      routesOf(githubApps, githubAppHandlers({ ...deps, forgePrivateHosts }, services.auth)),
      routesOf(pullRequests, pullRequestHandlers(deps)),
    ],
    start: () => {
      watches = [
        watchPullRequests(deps),
        watchRepositories(work),
        watchDeliveries(work),
        watchComments(work),
      ];
    },
    hourly: () => expireDeliveries(work, config.deliveryDays),
    stop: async () => {
      await Promise.all(watches.map((watch) => watch.stop()));
    },
  };
}
