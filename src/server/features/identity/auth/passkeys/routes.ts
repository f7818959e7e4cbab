import type { ResponseOf } from "#shared/contract/endpoint.js";
import { passkeys } from "#shared/api/identity/passkeys.js";
import { AppError } from "../../../../errors.js";
import { requireFullAccess } from "../../../../access/authorize.js";
import { Answer, noStore } from "../../../../http/answers/answer.js";
import type { Handlers } from "../../../../http/register-routes.js";
import { byId, pagesOf } from "../../../../http/requests/pagination.js";
import type { createPasskeyService } from "./passkeys.js";
import { relyingPartyOf, type RelyingParty } from "./webauthn.js";
import { answerSignedIn, originOf } from "../browser-sessions/session-cookie.js";

type Options = ResponseOf<(typeof passkeys)["options"]>;

/** Converts to the wire format, which omits undefined members. */
function asJson(options: object): Options {
  return JSON.parse(JSON.stringify(options)) as Options;
}

export function passkeyHandlers(
  service: ReturnType<typeof createPasskeyService>,
  publicUrl: () => string,
): Handlers<typeof passkeys> {
  const partyOf = ({ host }: { host: string }): RelyingParty => {
    const party = relyingPartyOf(publicUrl(), host);
    if (typeof party === "string") throw new AppError("passkeys_unavailable", party);
    return party;
  };

  const pages = pagesOf(passkeys.list, byId);
  return {
    list: async (context, { query }) => {
      const { actor } = context;
      requireFullAccess(actor);
      return pages(context, query, {
        read: (after, limit) => service.list(actor.userId, after?.[0] ?? null, limit),
        keyOf: ({ id }) => [id],
      });
    },
    get: async ({ actor }, { params }) => {
      requireFullAccess(actor);
      return service.read(actor.userId, params.passkey_id);
    },
    options: async ({ actor, request }) => asJson(await service.options(actor, partyOf(request))),
    create: ({ actor, request }, { body }) =>
      service.create(actor, body.name, body.response, partyOf(request)),
    rename: ({ actor }, { params, body }) => service.rename(actor, params.passkey_id, body.name),
    remove: async ({ actor }, { params }) => {
      await service.remove(actor, params.passkey_id);
      return undefined;
    },
    loginOptions: async ({ request }) =>
      new Answer(asJson(await service.loginOptions(partyOf(request))), noStore),
    login: async ({ request }, { body }) => {
      const signedIn = await service.login(body.response, partyOf(request), originOf(request));
      return answerSignedIn(signedIn, publicUrl());
    },
  };
}
