import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { createDiskCheck, readFreeBytes } from "./disk-check.js";
import { healthRoutes } from "./routes.js";

export function healthFeature(services: Services): Feature {
  const { config, db, credentials, publicUrl, build, sandbox, workspaces } = services;
  const machine = { sandbox: sandbox.report, folder_driver: workspaces.driver.name };
  const checkDisk = createDiskCheck(() => readFreeBytes(config.dataDir));
  return {
    name: "health",
    routes: [healthRoutes({ db, credentials, publicUrl, machine, build, checkDisk })],
  };
}
