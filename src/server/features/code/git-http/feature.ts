import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { gitHttpRoutes } from "./routes.js";

export function gitHttpFeature({
  config,
  db,
  storage,
  credentials,
  workspaces,
}: Services): Feature {
  const maxPushBytes = config.maxPushMib * 1024 * 1024;
  return {
    name: "git-http",
    routes: [gitHttpRoutes({ db, storage, credentials, workspaces, maxPushBytes })],
  };
}
