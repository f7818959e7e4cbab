import { oidc } from "#shared/api/identity/oidc.js";
import { requireFullAccess } from "../../../../access/authorize.js";
import { Answer, type Cookie } from "../../../../http/answers/answer.js";
import type { Handlers } from "../../../../http/register-routes.js";
import { byId, pagesOf } from "../../../../http/requests/pagination.js";
import { attemptSeconds, type createOidcService, type Step } from "./oidc.js";
import type { AuthService } from "../auth-service.js";
import {
  cookieOptions,
  originOf,
  sessionCookies,
  signedInActor,
} from "../browser-sessions/session-cookie.js";

const attemptCookie = "omoi_oidc";

export function oidcHandlers(
  service: ReturnType<typeof createOidcService>,
  auth: AuthService,
  publicUrl: () => string,
): Handlers<typeof oidc> {
  const redirectUri = (): string => `${publicUrl()}/api/v1/auth/oidc/callback`;
  const options = () => ({ ...cookieOptions(publicUrl()), path: "/api/v1/auth/oidc" });
  const cookieOf = (attempt: string): Cookie => ({
    name: attemptCookie,
    value: attempt,
    options: { ...options(), maxAge: attemptSeconds },
  });
  const redirect = ({ location }: Step, cookies: readonly Cookie[]): Answer<undefined> =>
    new Answer(undefined, { headers: { "cache-control": "no-store", location }, cookies });

  const pages = pagesOf(oidc.identities, byId);
  return {
    start: async (_context, { query }) => {
      const step = await service.start(redirectUri(), query.redirect);
      return redirect(step, step.cookie === undefined ? [] : [cookieOf(step.cookie)]);
    },
    callback: async ({ request }) => {
      const called = new URL(redirectUri());
      called.search = new URL(request.url, called).search;
      const step = await service.finish(
        called,
        request.cookies[attemptCookie],
        await signedInActor(request, auth, publicUrl()),
        originOf(request),
      );
      return redirect(step, [
        { name: attemptCookie, value: null, options: options() },
        ...(step.signedIn ? sessionCookies(step.signedIn, publicUrl()) : []),
      ]);
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
    link: async ({ actor }, { body }) => {
      const { location, cookie } = await service.startLink(actor, redirectUri(), body?.redirect);
      return new Answer({ url: location }, { cookies: [cookieOf(cookie)] });
    },
    unlink: async ({ actor }, { params }) => {
      await service.unlink(actor, params.identity_id);
      return undefined;
    },
  };
}
