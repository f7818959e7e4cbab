import type { Feature } from "../feature.js";
import type { Services } from "../services.js";
import { healthRoutes } from "./routes.js";

export function healthFeature(services: Services): Feature {
  const { db, credentials, publicUrl, build, sandbox, workspaces } = services;
  const machine = { sandbox: sandbox.report, folder_driver: workspaces.driver.name };
  return {
    name: "health",
    routes: [healthRoutes({ db, credentials, publicUrl, machine, build })],
  };
}
