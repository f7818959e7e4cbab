import { rawRoutes } from "../../http/raw-routes.js";
import type { Routes } from "../../http/register-routes.js";
import { callModel, type ModelDeps } from "./call-model.js";
import { MAX_REQUEST_BYTES } from "./call-request.js";

/**
 * Serves `<address of this server>/models/{provider}/v1/…` to runs. The credential is the run's token,
 * as the provider's clients send their key: `x-api-key` or `Authorization: Bearer`.
 */
export function modelRoutes(deps: ModelDeps): Routes {
  const methods = ["GET", "POST"] as const;
  return rawRoutes(
    methods.map((method) => ({
      method,
      path: "/models/{provider}/*",
      handle: (request) => callModel(deps, request),
    })),
    { bodies: { "*": MAX_REQUEST_BYTES } },
  );
}
