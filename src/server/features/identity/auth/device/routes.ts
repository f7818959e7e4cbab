import type { deviceLogin } from "#shared/api/identity/device-login.js";
import type { Handlers } from "../../../../http/register-routes.js";
import type { createDeviceLogin } from "./device-login.js";

export function deviceLoginHandlers(
  service: ReturnType<typeof createDeviceLogin>,
): Handlers<typeof deviceLogin> {
  return {
    start: (context, { body }) => service.start(context, body.client_name ?? null),
    token: (context, { body }) => service.fetchKey(context, body.device_code),
    get: (context, { params }) => service.read(context, params.user_code),
    approve: (context, { params, body }) =>
      service.approve(context, params.user_code, body?.expires_in_days),
    deny: (context, { params }) => service.deny(context, params.user_code),
  };
}
