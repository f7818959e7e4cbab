import { auth } from "#shared/api/identity/auth.js";
import type { ResponseOf } from "#shared/contract/endpoint.js";
import { cached } from "../../../db/cache/cache.js";
import type { Database } from "../../../db/connection/connect.js";
import { AppError, notFound } from "../../../errors.js";
import {
  invalidToken,
  rejectCrossOrigin,
  sessionCookie,
  unauthenticated,
} from "../../../access/authenticate.js";
import { requireFullAccess, requirePerson } from "../../../access/authorize.js";
import { Answer } from "../../../http/answers/answer.js";
import type { Handlers } from "../../../http/register-routes.js";
import { byId, pagesOf } from "../../../http/requests/pagination.js";
import { requestLink, verifyAddress, type EmailLinkDeps } from "./passwords/email-links.js";
import { changePassword, resetPassword } from "./passwords/passwords.js";
import * as queries from "./auth.queries.js";
import * as sessions from "./browser-sessions/sessions.queries.js";
import type { AuthService } from "./auth-service.js";
import {
  answerSignedIn,
  clearedSessionCookies,
  originOf,
  signedInActor,
} from "./browser-sessions/session-cookie.js";
import type { SignedIn } from "./sign-in.js";

export function authHandlers(
  db: Database,
  service: AuthService,
  links: EmailLinkDeps,
  methods: (host: string) => Promise<ResponseOf<(typeof auth)["methods"]>>,
): Handlers<typeof auth> {
  const { publicUrl } = links;
  const answer = (signedIn: SignedIn): Answer<SignedIn["tokens"]> =>
    answerSignedIn(signedIn, publicUrl());
  const profile = cached({
    changes: db.changes,
    load: async (userId) => {
      const user = await db.withSystem("read the user's profile", (tx) =>
        queries.findUser(tx, userId),
      );
      return user && { value: Object.freeze(user), sources: [`user ${userId}` as const] };
    },
  });
  const me = async (userId: string) => {
    const user = await profile(userId);
    if (!user) throw invalidToken();
    return user;
  };

  const sessionPages = pagesOf(auth.sessions, byId);
  return {
    register: ({ ip }, { body }) => service.register({ ...body, ip }),
    login: async ({ request }, { body }) =>
      answer(await service.login(body.email, body.password, originOf(request))),
    methods: ({ request }) => methods(request.host),
    refresh: async ({ request }, { body }) => {
      if (body?.refresh_token !== undefined) {
        return answer(await service.refresh(body.refresh_token, "refresh"));
      }
      const cookie = request.cookies[sessionCookie];
      if (!cookie) throw unauthenticated();
      rejectCrossOrigin(request, publicUrl());
      return answer(await service.refresh(cookie, "cookie"));
    },
    logout: async ({ actor }) => {
      if (!actor.session) {
        throw new AppError(
          "bad_request",
          "An API key has no session to end; revoke the key instead.",
        );
      }
      await service.endSession(actor.userId, actor.session.id);
      return new Answer(undefined, { cookies: clearedSessionCookies(publicUrl()) });
    },
    me: async ({ actor }) => {
      requirePerson(actor);
      return me(actor.userId);
    },
    updateMe: async ({ actor }, { body }) => {
      requireFullAccess(actor);
      const changes = Object.fromEntries(
        Object.entries(body).filter(([, value]) => value !== undefined),
      ) as Parameters<typeof queries.updateUser>[2];
      const user = await db.withSystemTx("change the user's profile", (tx) =>
        queries.updateUser(tx, actor.userId, changes),
      );
      if (!user) throw invalidToken();
      return user;
    },
    sessions: async (context, { query }) => {
      const { actor } = context;
      requireFullAccess(actor);
      return sessionPages(context, query, {
        read: async (after, limit) => {
          const rows = await db.withSystem("list the user's sessions", (tx) =>
            sessions.listSessions(tx, actor.userId, after?.[0] ?? null, limit),
          );
          return rows.map((session) => ({ ...session, current: session.id === actor.session?.id }));
        },
        keyOf: ({ id }) => [id],
      });
    },
    session: async ({ actor }, { params }) => {
      requireFullAccess(actor);
      const session = await db.withSystem("read a session of the user", (tx) =>
        sessions.findSession(tx, actor.userId, params.session_id),
      );
      if (!session) throw notFound();
      return { ...session, current: session.id === actor.session?.id };
    },
    endSession: async ({ actor }, { params }) => {
      requireFullAccess(actor);
      if (!(await service.endSession(actor.userId, params.session_id))) throw notFound();
      return undefined;
    },
    endOtherSessions: async ({ actor }) => {
      requireFullAccess(actor);
      await db.withSystem("end the user's other sessions", (tx) =>
        sessions.revokeSessions(tx, actor.userId, actor.session?.id ?? null),
      );
      return undefined;
    },
    verifyEmail: async ({ request, ip, requestId }, { body }) => {
      const signedInAs = await signedInActor(request, service, publicUrl());
      await verifyAddress(links, body, { ip, requestId, signedInAs });
      return undefined;
    },
    resendVerification: ({ ip }, { body }) =>
      requestLink(links, "verify", body.email, ip).then(nothing),
    forgotPassword: ({ ip }, { body }) => requestLink(links, "reset", body.email, ip).then(nothing),
    resetPassword: (context, { body }) => resetPassword(links, body, context).then(nothing),
    changePassword: async ({ actor, ip }, { body }) => {
      if (!actor.session) {
        throw new AppError(
          "session_required",
          "A password can only be changed in a session, not with an API key; sign in first.",
        );
      }
      const who = { userId: actor.userId, sessionId: actor.session.id, ip };
      await changePassword(links, who, body);
      return undefined;
    },
  };
}

const nothing = (): undefined => undefined;
