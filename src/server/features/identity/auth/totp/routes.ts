import type { secondFactor } from "#shared/api/identity/second-factor.js";
import { requireFullAccess } from "../../../../access/authorize.js";
import type { Handlers } from "../../../../http/register-routes.js";
import type { createSecondFactorService } from "./second-factor.js";
import { answerSignedIn, originOf } from "../browser-sessions/session-cookie.js";

export function secondFactorHandlers(
  service: ReturnType<typeof createSecondFactorService>,
  publicUrl: () => string,
): Handlers<typeof secondFactor> {
  /** The name shown by the authenticator app next to the address. */
  const issuer = (): string => `Omoi (${new URL(publicUrl()).host})`;

  return {
    get: async ({ actor }) => {
      requireFullAccess(actor);
      return service.read(actor.userId);
    },
    startTotp: ({ actor }, { body }) => service.startTotp(actor, body?.password, issuer()),
    confirmTotp: async ({ actor }, { body }) => ({
      recovery_codes: await service.confirmTotp(actor, body.code),
    }),
    removeTotp: async ({ actor }, { body }) => {
      await service.removeTotp(actor, body);
      return undefined;
    },
    renewRecoveryCodes: async ({ actor }, { body }) => ({
      recovery_codes: await service.renewRecoveryCodes(actor, body?.password),
    }),
    login: async ({ request }, { body }) =>
      answerSignedIn(
        await service.login(body.challenge, body.code, originOf(request)),
        publicUrl(),
      ),
  };
}
