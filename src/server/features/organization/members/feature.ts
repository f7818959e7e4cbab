import { members } from "#shared/api/organization/members.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { memberHandlers } from "./routes.js";

export function membersFeature({ db, mailer, publicUrl }: Services): Feature {
  return {
    name: "members",
    routes: [routesOf(members, memberHandlers({ db, mailer, publicUrl }))],
  };
}
