import type { doctor, ReceivedRequest } from "#shared/api/operation/doctor.js";
import type { RequestHead } from "../../../access/request-head.js";
import { isTrustedProxy } from "../../../http/server/create-http-server.js";
import type { Handlers } from "../../../http/register-routes.js";
import { runDoctor, type DoctorDeps } from "./run-doctor.js";

export function doctorHandlers(deps: DoctorDeps): Handlers<typeof doctor> {
  return {
    request: async ({ request }) => describeRequest(request, deps),
    run: async (context, { body }) => ({
      checks: await runDoctor(deps, context, body?.mail_to ?? null),
    }),
  };
}

/** Headers by which proxies describe their client. */
const FORWARDING = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

function describeRequest(
  { ip, protocol, host, headers, socket }: RequestHead,
  { config, publicUrl }: Pick<DoctorDeps, "config" | "publicUrl">,
): ReceivedRequest {
  const connection = socket.remoteAddress ?? "";
  return {
    public_url: publicUrl(),
    address: ip,
    protocol,
    host,
    connection_address: connection,
    connection_trusted: isTrustedProxy(config.trustedProxies)(connection),
    forwarding_headers: FORWARDING.filter((name) => headers[name] !== undefined),
  };
}
