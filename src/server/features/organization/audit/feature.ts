import { audit } from "#shared/api/organization/audit.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { createEventExports } from "./export-events.js";
import { auditHandlers } from "./routes.js";

export function auditFeature({ db, credentials, publicUrl }: Services): Feature {
  const exports = createEventExports({ db, credentials, publicUrl });
  return {
    name: "audit",
    routes: [routesOf(audit, auditHandlers(exports))],
    endStreams: () => exports.end(),
  };
}
