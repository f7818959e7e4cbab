import { rawRoutes } from "../../../http/raw-routes.js";
import type { Routes } from "../../../http/register-routes.js";
import { answerError, callModel, type ModelDeps } from "./call-model.js";

/**
 * Serves `<address of this server>/models/{provider}/v1/…` to runs. The credential is the run's token,
 * as the provider's clients send their key: `x-api-key` or `Authorization: Bearer`. Every other method and path of a
 * provider is answered in its form, too.
 */
export function modelRoutes(deps: ModelDeps): Routes {
  return rawRoutes(
    (["/models/{provider}", "/models/{provider}/*"] as const).map((path) => ({
      method: ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"],
      path,
      handle: (request) => callModel(deps, request),
    })),
    {
      // Limited by the provider and the budgets.
      bodies: { "*": Infinity },
      answerError,
      others: { path: "/models", handle: (request) => callModel(deps, request) },
    },
  );
}
