import { opinions } from "#shared/api/work/opinions.js";
import { reviews } from "#shared/api/work/reviews.js";
import { threads } from "#shared/api/work/threads.js";
import { routesOf } from "../../../http/register-routes.js";
import { jobWorker, type Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { endOpinions } from "./opinions/end-opinions.js";
import { opinionHandlers } from "./opinions/routes.js";
import { startReviewWatch } from "./watch-reviews.js";
import { reviewHandlers, threadHandlers } from "./routes.js";

export function reviewsFeature(services: Services): Feature {
  const { deps } = services.ownRuns;
  let watch: ReturnType<typeof startReviewWatch> | undefined;
  return {
    name: "reviews",
    routes: [
      routesOf(reviews, reviewHandlers(deps)),
      routesOf(threads, threadHandlers(deps)),
      routesOf(opinions, opinionHandlers(deps)),
    ],
    jobs: [jobWorker("end-opinions", () => endOpinions(deps))],
    start: () => {
      watch = startReviewWatch(deps);
    },
    stop: async () => watch?.stop(),
  };
}
