import type { FastifyReply } from "fastify";
import { oidc } from "#shared/api/oidc.js";
import { requireFullAccess } from "../../../access/authorize.js";
import type { Handlers } from "../../../http/register-routes.js";
import { byId, pagesOf } from "../../../http/pagination.js";
import { attemptSeconds, type createOidcService, type Step } from "./oidc.js";
import type { AuthService } from "../auth-service.js";
import {
  answerSignedIn,
  cookieOptions,
  originOf,
  signedInActor,
} from "../sessions/session-cookie.js";

const attemptCookie = "omoi_oidc";

export function oidcHandlers(
  service: ReturnType<typeof createOidcService>,
  auth: AuthService,
  publicUrl: () => string,
): Handlers<typeof oidc> {
  const redirectUri = (): string => `${publicUrl()}/api/v1/auth/oidc/callback`;
  const options = () => ({ ...cookieOptions(publicUrl()), path: "/api/v1/auth/oidc" });
  const keep = (reply: FastifyReply, cookie: string): void => {
    reply.setCookie(attemptCookie, cookie, { ...options(), maxAge: attemptSeconds });
  };
  const go = (reply: FastifyReply, step: Step): undefined => {
    reply.header("cache-control", "no-store").header("location", step.location);
    if (step.cookie !== undefined) keep(reply, step.cookie);
    if (step.signedIn) answerSignedIn(reply, step.signedIn, publicUrl());
    return undefined;
  };

  const pages = pagesOf(oidc.identities, byId);
  return {
    start: async ({ reply }, { query }) =>
      go(reply, await service.start(redirectUri(), query.redirect)),
    callback: async ({ request, reply }) => {
      const called = new URL(redirectUri());
      called.search = new URL(request.url, called).search;
      reply.clearCookie(attemptCookie, options());
      const cookie = request.cookies[attemptCookie];
      return go(
        reply,
        await service.finish(
          called,
          cookie,
          await signedInActor(request, auth, publicUrl()),
          originOf(request),
        ),
      );
    },
    identities: async (context, { query }) => {
      const { actor } = context;
      requireFullAccess(actor);
      return pages(context, query, {
        read: (after, limit) => service.identities(actor.userId, after?.[0] ?? null, limit),
        keyOf: ({ id }) => [id],
      });
    },
    identity: async ({ actor }, { params }) => {
      requireFullAccess(actor);
      return service.identity(actor.userId, params.identity_id);
    },
    link: async ({ actor, reply }, { body }) => {
      const { location, cookie } = await service.startLink(actor, redirectUri(), body?.redirect);
      keep(reply, cookie);
      return { url: location };
    },
    unlink: async ({ actor }, { params }) => {
      await service.unlink(actor, params.identity_id);
      return undefined;
    },
  };
}
