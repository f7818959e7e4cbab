import type { PullRequestDeps } from "../pull-requests/advance-pull-request.js";
import type { Automations } from "./decide/automations.js";

/** The dependencies of the work on events of forges. */
export interface WorkDeps extends PullRequestDeps {
  automations: Automations;
}
