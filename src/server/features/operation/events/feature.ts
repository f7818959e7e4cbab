import { events } from "#shared/api/operation/events.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { eventHandlers } from "./routes.js";

export function eventsFeature({ db, eventStreams, credentials, publicUrl }: Services): Feature {
  return {
    name: "events",
    routes: [routesOf(events, eventHandlers(db, eventStreams, credentials, publicUrl))],
    endStreams: () => eventStreams.close(),
  };
}
