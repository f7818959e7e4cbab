import { auth } from "#shared/api/identity/auth.js";
import { deviceLogin } from "#shared/api/identity/device-login.js";
import { oidc } from "#shared/api/identity/oidc.js";
import { passkeys } from "#shared/api/identity/passkeys.js";
import { secondFactor } from "#shared/api/identity/second-factor.js";
import { routesOf } from "../../../http/register-routes.js";
import { jobWorker, type Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { deleteExpiredHits } from "./auth-service.js";
import { signInMethods } from "./available-methods.js";
import { createDeviceLogin } from "./device/device-login.js";
import { deviceLoginHandlers } from "./device/routes.js";
import { createOidcService } from "./oidc/oidc.js";
import { oidcHandlers } from "./oidc/routes.js";
import { createPasskeyService } from "./passkeys/passkeys.js";
import { passkeyHandlers } from "./passkeys/routes.js";
import { deleteExpiredLinks, runSendLink, type EmailLinkDeps } from "./passwords/email-links.js";
import { authHandlers } from "./routes.js";
import { secondFactorHandlers } from "./totp/routes.js";
import { createSecondFactorService } from "./totp/second-factor.js";

export function authFeature(services: Services): Feature {
  const { config, db, jobs, mailer, publicUrl, isInvited, log } = services;
  const { secret, registration } = config;
  const { startSession } = services.auth;
  const links: EmailLinkDeps = {
    db,
    jobs,
    mailer,
    secret: db.verificationKey,
    publicUrl,
    log,
  };
  const methods = signInMethods(db, config, publicUrl);
  const issuer = config.oidc?.issuer ?? null;
  const passkeyService = createPasskeyService(db, { secret, issuer }, startSession);
  const oidcService = createOidcService({
    db,
    secret,
    registration,
    settings: config.oidc,
    startSession,
    isInvited,
    log,
  });
  const secondFactorService = createSecondFactorService(db, secret, startSession);
  const deviceLogins = createDeviceLogin(services.keys);
  return {
    name: "auth",
    routes: [
      routesOf(auth, authHandlers(db, services.auth, links, methods)),
      routesOf(secondFactor, secondFactorHandlers(secondFactorService, publicUrl)),
      routesOf(passkeys, passkeyHandlers(passkeyService, publicUrl)),
      routesOf(oidc, oidcHandlers(oidcService, services.auth, publicUrl)),
      routesOf(deviceLogin, deviceLoginHandlers(deviceLogins)),
    ],
    jobs: [jobWorker("send-link", (data) => runSendLink(links, data))],
    hourly: () =>
      Promise.all([deleteExpiredHits(db), deleteExpiredLinks(db), deviceLogins.deleteExpired()]),
  };
}
