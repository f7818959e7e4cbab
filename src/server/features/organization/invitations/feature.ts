import { invitations } from "#shared/api/organization/invitations.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { invitationHandlers } from "./routes.js";

export function invitationsFeature({ config, db, mailer, publicUrl }: Services): Feature {
  const settings = { ...config, secret: db.verificationKey };
  return {
    name: "invitations",
    routes: [routesOf(invitations, invitationHandlers({ db, mailer, settings, publicUrl }))],
  };
}
