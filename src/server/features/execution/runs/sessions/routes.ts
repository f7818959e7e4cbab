import { agentSessions, type Session } from "#shared/api/work/sessions.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { notFound } from "../../../../errors.js";
import { authenticate, type Credentials } from "../../../../access/authenticate.js";
import { organizationsWith, resolveAccess } from "../../../../access/authorize.js";
import { allows } from "../../../../access/access.js";
import { eventStream } from "../../../../http/answers/answer.js";
import type { Handlers } from "../../../../http/register-routes.js";
import { byId, pagesOf } from "../../../../http/requests/pagination.js";
import { openLogReader, type InTurn } from "../logs/log-reader.js";
import { requireKeptLog } from "../logs/expired-logs.js";
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
import { findSession, hasRunEnded, listAllSessions, listSessions } from "./sessions.queries.js";

export function sessionHandlers(
  deps: RunDeps,
  credentials: Credentials,
  publicUrl: () => string,
): Handlers<typeof agentSessions> {
  const { db, storage, streams } = deps;
  const pages = pagesOf(agentSessions.list, byId);
  const allPages = pagesOf(agentSessions.listAll, byId);
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
    listAll: async (context, { query }) => {
      const { actor } = context;
      const orgIds = await organizationsWith(db, actor, "agent:read", query.organization_id);
      // An agent sees only itself.
      const filter = { status: query.status, only: actor.agent?.id };
      return allPages(context, query, {
        read: (after, limit) =>
          db.withSystem("list sessions", (tx) =>
            listAllSessions(tx, orgIds, { ...filter, after: after?.[0] ?? null }, limit),
          ),
        keyOf: ({ id }) => [id],
      });
    },
    search: (context, { params, query }) => searchSessions(deps, context, params.agent_id, query.q),
    get: async ({ tx }, { params }) => {
      const found = await tx((transaction) => findSession(transaction, params.session_id));
      if (!found) throw notFound();
      return found;
    },
    events: async ({ actor, orgId, tx, request }, { params: { session_id }, query }) => {
      const found = await tx(async (transaction) => {
        const session = await findSession(transaction, session_id);
        return (
          session && {
            session,
            state: await stateOf(transaction, session),
            projectId: await projectOfAgent(transaction, session.agent_id),
          }
        );
      });
      if (!found) throw notFound();
      if (request.method === "HEAD") return eventStream(null);
      const { session, state, projectId } = found;
      const openFile = (inTurn: InTurn) =>
        openLogReader(storage.transcript(orgId, projectId, session_id), inTurn);
      const transcript = await openFile((work) => work());
      if (transcript === null) requireKeptLog(session.updated_at, deps.settings.runLogDays);
      await transcript?.close();
      const lastEventId = request.headers["last-event-id"] ?? query.last_event_id;
      const stream = streams.open({
        id: session_id,
        agentId: session.agent_id,
        event: "update",
        state,
        openFile,
        reader: { orgId, caller: actor.agent?.id ?? actor.userId },
        lastEventId: typeof lastEventId === "string" ? lastEventId : null,
        look: async () => {
          const now = await authenticate(request, credentials, publicUrl).catch(() => null);
          const access = now && (await resolveAccess(db, now, "session_id", session_id));
          if (!access || !allows(access, "agent:read")) return null;
          return tx(async (transaction) => {
            const current = await findSession(transaction, session_id);
            return current ? stateOf(transaction, current) : null;
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
