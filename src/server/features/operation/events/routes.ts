import type { events } from "#shared/api/operation/events.js";
import type { Database } from "../../../db/connection/connect.js";
import { authenticate, type Credentials } from "../../../access/authenticate.js";
import { resolveAccess } from "../../../access/authorize.js";
import { allows } from "../../../access/access.js";
import { eventStream } from "../../../http/answers/answer.js";
import type { Handlers } from "../../../http/register-routes.js";
import type { EventStreams, Listener } from "./event-streams.js";

export function eventHandlers(
  db: Database,
  streams: EventStreams,
  credentials: Credentials,
  publicUrl: () => string,
): Handlers<typeof events> {
  return {
    stream: async ({ actor, orgId, request }, { query }) => {
      if (request.method === "HEAD") return eventStream(null);
      const allowed: Listener["allowed"] = async () => {
        const now = await authenticate(request, credentials, publicUrl).catch(() => null);
        const access = now && (await resolveAccess(db, now, "org_id", orgId));
        if (!access || !allows(access, "org:read")) return null;
        return (permission) => {
          if (!allows(access, permission)) return false;
          access.used(permission);
          return true;
        };
      };
      // When a browser resumes a stream, its header is newer than the query.
      const lastEventId = request.headers["last-event-id"] ?? query.last_event_id;
      const stream = streams.open({
        orgId,
        caller: actor.agent?.id ?? actor.userId,
        allowed,
        lastEventId: typeof lastEventId === "string" ? lastEventId : null,
      });
      return eventStream(stream);
    },
  };
}
