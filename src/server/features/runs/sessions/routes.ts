import { agentSessions, type Session } from "#shared/api/agents/sessions.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { notFound } from "../../../errors.js";
import { authenticate, type Credentials } from "../../../access/authenticate.js";
import { resolveAccess } from "../../../access/authorize.js";
import { allows } from "../../../access/access.js";
import { eventStream } from "../../../http/answers/answer.js";
import type { Handlers } from "../../../http/register-routes.js";
import { byId, pagesOf } from "../../../http/requests/pagination.js";
import { openLogReader } from "../logs/log-reader.js";
import type { Followed } from "../logs/log-stream.js";
import type { RunDeps } from "../run-deps.js";
import { projectOfAgent } from "../runs.queries.js";
import { searchSessions } from "./search-sessions.js";
import {
  answerPermission,
  cancelTurn,
  changeSession,
  closeSession,
  sendPrompt,
  startSession,
} from "./start-session.js";
import { findSession, hasRunEnded, listSessions } from "./sessions.queries.js";

export function sessionHandlers(
  deps: RunDeps,
  credentials: Credentials,
  publicUrl: () => string,
): Handlers<typeof agentSessions> {
  const { db, storage, streams } = deps;
  const pages = pagesOf(agentSessions.list, byId);
  /** The program may still write its last events after the session was closed. */
  const stateOf = async (tx: Queryable, session: Session): Promise<Followed> => {
    const isClosed = session.status === "closed" || session.status === "failed";
    return {
      isOver: isClosed && (await hasRunEnded(tx, session.id)),
      json: JSON.stringify(session),
    };
  };
  return {
    create: (context, { params, body }) => startSession(deps, context, params.agent_id, body),
    list: (context, { params, query }) =>
      pages(context, query, {
        read: (after, limit) =>
          context.tx((tx) => listSessions(tx, params.agent_id, after?.[0] ?? null, limit)),
        keyOf: ({ id }) => [id],
      }),
    search: (context, { params, query }) => searchSessions(deps, context, params.agent_id, query.q),
    get: async ({ tx }, { params }) => {
      const found = await tx((one) => findSession(one, params.session_id));
      if (!found) throw notFound();
      return found;
    },
    events: async ({ actor, orgId, tx, request }, { params: { session_id }, query }) => {
      const found = await tx(async (one) => {
        const session = await findSession(one, session_id);
        return (
          session && {
            session,
            state: await stateOf(one, session),
            projectId: await projectOfAgent(one, session.agent_id),
          }
        );
      });
      if (!found) throw notFound();
      if (request.method === "HEAD") return eventStream(null);
      const { session, state, projectId } = found;
      const lastEventId = request.headers["last-event-id"] ?? query.last_event_id;
      const stream = streams.open({
        id: session_id,
        agentId: session.agent_id,
        event: "update",
        state,
        openFile: (inTurn) =>
          openLogReader(storage.transcript(orgId, projectId, session_id), inTurn),
        reader: { orgId, caller: actor.agent?.id ?? actor.userId },
        lastEventId: typeof lastEventId === "string" ? lastEventId : null,
        look: async () => {
          const now = await authenticate(request, credentials, publicUrl).catch(() => null);
          const access = now && (await resolveAccess(db, now, "session_id", session_id));
          if (!access || !allows(access, "agent:read")) return null;
          return tx(async (one) => {
            const current = await findSession(one, session_id);
            return current ? stateOf(one, current) : null;
          });
        },
      });
      return eventStream(stream);
    },
    prompt: (context, { params, body }) => sendPrompt(deps, context, params.session_id, body.text),
    cancel: (context, { params }) => cancelTurn(context, params.session_id),
    answer: (context, { params, body }) =>
      answerPermission(context, params.session_id, params.request_id, body.option_id),
    update: (context, { params, body }) => changeSession(context, params.session_id, body),
    close: (context, { params }) => closeSession(context, params.session_id),
  };
}
