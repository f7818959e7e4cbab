import { runners } from "#shared/api/runners.js";
import { routesOf } from "../../http/register-routes.js";
import type { Feature } from "../feature.js";
import type { Services } from "../services.js";
import { runnerHandlers } from "./routes.js";

export function runnersFeature({ db }: Services): Feature {
  return { name: "runners", routes: [routesOf(runners, runnerHandlers(db))] };
}
