import { overview } from "#shared/api/work/overview.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { commitComparer } from "./compare-commits.js";
import { overviewHandlers } from "./routes.js";

/** The team's view: what waits for a person, what agents do, and what was done. */
export function overviewFeature({ db, storage, otherNodes }: Services): Feature {
  const deps = { db, storage, otherNodes, compareCommits: commitComparer() };
  return { name: "overview", routes: [routesOf(overview, overviewHandlers(deps))] };
}
