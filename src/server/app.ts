import { randomUUID } from "node:crypto";
import fastifyCookie from "@fastify/cookie";
import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { admin } from "#shared/api/admin.js";
import { agents } from "#shared/api/agents.js";
import { apiKeys } from "#shared/api/api-keys.js";
import { audit } from "#shared/api/audit.js";
import { auth } from "#shared/api/auth.js";
import { events } from "#shared/api/events.js";
import { graph } from "#shared/api/graph.js";
import { invitations } from "#shared/api/invitations.js";
import { members } from "#shared/api/members.js";
import { oidc } from "#shared/api/oidc.js";
import { organizations } from "#shared/api/organizations.js";
import { passkeys } from "#shared/api/passkeys.js";
import { previews } from "#shared/api/previews.js";
import { projects } from "#shared/api/projects.js";
import { radar } from "#shared/api/radar.js";
import { roles } from "#shared/api/roles.js";
import { runs } from "#shared/api/runs.js";
import { sandbox } from "#shared/api/sandbox.js";
import { secondFactor } from "#shared/api/second-factor.js";
import { upstreams } from "#shared/api/upstreams.js";
import { usage } from "#shared/api/usage.js";
import { workspaces } from "#shared/api/workspaces.js";
import { closeAll } from "./close-all.js";
import type { Config } from "./config/config.js";
import type { Database } from "./db/connection/connect.js";
import { recoverTerminations } from "./features/agents/terminate-agent.js";
import { agentHandlers } from "./features/agents/routes.js";
import { createLeakGuard } from "./features/api-keys/leaks/leak-guard.js";
import { apiKeyHandlers } from "./features/api-keys/routes.js";
import { sendExpiryWarnings } from "./features/api-keys/expiry.js";
import { createKeyring } from "./features/api-keys/keyring/keyring.js";
import { deleteExpiredUsage, type KeyDeps } from "./features/api-keys/key-access.js";
import { auditHandlers } from "./features/audit/routes.js";
import {
  deleteExpiredLinks,
  runSendLink,
  type EmailLinkDeps,
} from "./features/auth/passwords/email-links.js";
import { signInMethods } from "./features/auth/available-methods.js";
import { oidcHandlers } from "./features/auth/oidc/routes.js";
import { createOidcService } from "./features/auth/oidc/oidc.js";
import { passkeyHandlers } from "./features/auth/passkeys/routes.js";
import { createPasskeyService } from "./features/auth/passkeys/passkeys.js";
import { authHandlers } from "./features/auth/routes.js";
import { secondFactorHandlers } from "./features/auth/totp/routes.js";
import { createSecondFactorService } from "./features/auth/totp/second-factor.js";
import { createAuthService, deleteExpiredHits } from "./features/auth/index.js";
import { startMeasuring } from "./features/disk-usage/index.js";
import { eventHandlers } from "./features/events/routes.js";
import { createEventStreams } from "./features/events/index.js";
import { registerGitHttp } from "./features/git-http/routes.js";
import { graphHandlers } from "./features/graph/routes.js";
import { registerHealth } from "./features/health/routes.js";
import { invitationHandlers } from "./features/invitations/routes.js";
import { isInvited } from "./features/invitations/index.js";
import { memberHandlers } from "./features/members/routes.js";
import { organizationHandlers } from "./features/organizations/routes.js";
import { runRemoval } from "./features/projects/delete-project.js";
import { startPacking } from "./features/projects/pack-projects.js";
import { runImport } from "./features/projects/imports/import-project.js";
import { projectHandlers, upstreamHandlers } from "./features/projects/routes.js";
import { adminHandlers } from "./features/people/routes.js";
import type { ProjectDeps } from "./features/projects/project.js";
import { resumeProjects, unlockRepositories } from "./features/projects/index.js";
import { runUpstream } from "./features/projects/upstreams/use-upstream.js";
import { radarHandlers } from "./features/radar/routes.js";
import { scanProject, startRadar, type ScanDeps } from "./features/radar/index.js";
import { roleHandlers } from "./features/roles/routes.js";
import { runHandlers, sandboxHandlers } from "./features/runs/routes.js";
import { deleteExpiredLogs, openRuns } from "./features/runs/open-runs.js";
import { createRunKeyring } from "./features/runs/run-keyring.js";
import { usageHandlers } from "./features/usage/routes.js";
import { startCheckpoints } from "./features/workspaces/commits/auto-checkpoint.js";
import {
  openDriver,
  releaseFolders,
  removeUnusedLayers,
  restoreFolders,
} from "./features/workspaces/open-driver.js";
import { clearMergeLeases } from "./features/workspaces/merges/merge-lease.js";
import { expireArchives } from "./features/workspaces/archives/expire-archives.js";
import { previewHandlers, workspaceHandlers } from "./features/workspaces/routes.js";
import { recoverWorkspaces } from "./features/workspaces/index.js";
import type { WorkspaceDeps } from "./features/workspaces/workspace.js";
import { rememberChangedPaths } from "#git/diff/changed-paths.js";
import { batchResponses } from "./http/fast-path/batched-flush.js";
import type { Credentials } from "./access/authenticate.js";
import { isRunAddress, openCallbackListener } from "./http/callback-listener.js";
import { headerTimeout, limitConnections } from "./http/connection-limits.js";
import { registerDocs } from "./pages/docs.js";
import { countRequests, dropUnusedConnections } from "./http/graceful-shutdown.js";
import { deleteOldAnswers } from "./http/idempotency.js";
import { registerGuide } from "./pages/guide.js";
import { registerRoutes, type RouteOptions } from "./http/register-routes.js";
import { isWithin } from "#shared/node/networks.js";
import { logRequest, observeRequests } from "./http/observe-requests.js";
import { answerClientError, sendProblem } from "./http/problem.js";
import { registerStatic } from "./pages/static.js";
import { startJobs } from "./jobs/queue.js";
import { outboxDelivery, smtpDelivery } from "./mail/delivery.js";
import { createMailer } from "./mail/mailer.js";
import { defaultSender } from "./config/mail-settings.js";
import { createGauges } from "./metrics/gauges.js";
import { createMetrics } from "./metrics/metrics.js";
import { registerMetrics } from "./metrics/routes.js";
import { readBuild } from "./config/read-build.js";
import { openDocker } from "#sandbox/docker/docker.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import { isUsable } from "#sandbox/uid-range.js";
import { storageIn } from "./data-folder/storage.js";

export interface AppDeps {
  config: Config;
  db: Database;
  sandbox: Sandbox;
  log: Logger;
  /** The address that links show; known only once it listens. */
  publicUrl: () => string;
  /** The folder of the built web app. */
  webDir: string;
  /** Whether answers are checked against their schemas, as every test has it. */
  checkResponses: boolean;
}

declare module "fastify" {
  interface FastifyInstance {
    /** Takes no more runs and ends those under way as configured; to be called before closing, while the API answers. */
    endRuns(): Promise<void>;
  }
}

/**
 * Builds the whole application on an open database and takes up what an earlier process left
 * unfinished. Closing it drains requests and background work.
 */
export async function buildApp(deps: AppDeps): Promise<FastifyInstance> {
  const { config, db, log } = deps;
  const app: FastifyInstance = fastify({
    // What the framework says at info level (where it listens) is said by main.
    loggerInstance: log.child(
      {},
      { level: log.level === "info" ? "warn" : log.level },
    ) as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    bodyLimit: 1024 * 1024,
    trustProxy: config.trustedProxies.length > 0 ? isTrusted(config.trustedProxies) : false,
    routerOptions: { maxParamLength: 200, ignoreTrailingSlash: true },
    http: headerTimeout({ requestSeconds: config.requestTimeoutSeconds }),
    forceCloseConnections: "idle",
    frameworkErrors: sendProblem,
    clientErrorHandler: answerClientError,
  });
  const metrics = createMetrics(
    createGauges({ db, dataDir: config.dataDir, openStreams: () => streams.count(), log }),
  );
  const requests = countRequests(app);
  observeRequests(app, (request) => {
    metrics.observeRequest(request);
    logRequest(log, request);
  });
  const build = await readBuild();
  const telemetry = config.telemetry
    ? (await import("./metrics/telemetry.js")).startTelemetry(
        app,
        metrics,
        { ...config.telemetry, version: build.version },
        log,
      )
    : null;
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply));
  app.addHook("onRequest", (request, reply, done) => {
    reply.header("x-request-id", request.id);
    reply.headers(request.url.startsWith("/api/v1/") ? dataHeaders : pageHeaders);
    done();
  });
  limitConnections(app, {
    requestSeconds: config.requestTimeoutSeconds,
    perAddress: config.maxConnectionsPerAddress,
    trustedProxies: config.trustedProxies,
  });
  const parseJson = app.getDefaultJsonParser("error", "error");
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    // A JSON content type on an empty body is accepted (contract, *Conventions*).
    if (body === "") done(null, undefined);
    else void parseJson(request, body as string, done);
  });
  await app.register(fastifyCookie);
  batchResponses(app);

  const storage = storageIn(config.dataDir);
  const jobs = await startJobs(db.jobPool, log);
  const mailer = createMailer({
    jobs,
    secret: config.secret,
    deliver: config.smtp ? smtpDelivery(config.smtp) : outboxDelivery(storage.outbox),
    from: () => config.mailFrom ?? defaultSender(deps.publicUrl()),
    log,
  });
  // API keys, links and recovery codes are kept as HMACs under a key that outlives the secret.
  const hashing = { ...config, secret: db.verificationKey };
  const hasInvitation = (token: string, email: string): Promise<boolean> =>
    isInvited(db, hashing.secret, token, email);
  const authService = createAuthService(db, config, {
    jobs,
    isInvited: hasInvitation,
  });
  const keyring = createKeyring(db, hashing, log);
  const runKeyring = createRunKeyring(db, config.secret);
  const keyDeps: KeyDeps = {
    db,
    keyring,
    mailer,
    settings: hashing,
    publicUrl: deps.publicUrl,
    log,
  };
  const credentials: Credentials = {
    accessToken: (token) => authService.actorOf("access", token),
    cookie: (value) => authService.actorOf("cookie", value),
    apiKey: (key, ip) =>
      runKeyring.isToken(key) ? runKeyring.actorOf(key) : keyring.actorOf(key, ip),
    consumeRateLimit: (key) => keyring.consumeRateLimit(key),
    keyPrefix: config.keyPrefix,
  };
  const options: RouteOptions = {
    db,
    secret: hashing.secret,
    credentials,
    publicUrl: deps.publicUrl,
    checkResponses: deps.checkResponses,
    requests,
    items: new Map(),
  };
  const emailLinks: EmailLinkDeps = {
    db,
    jobs,
    mailer,
    secret: hashing.secret,
    publicUrl: deps.publicUrl,
    log,
  };
  const driver = await openDriver(config, storage, log);
  const { sandboxUids } = config;
  const runUids = sandboxUids !== null && isUsable(sandboxUids) ? sandboxUids : null;
  log.info({ uids: runUids }, runUids === null ? "runs share a uid" : "each workspace has a uid");
  const leaks = createLeakGuard(keyDeps);
  const workspaceDeps: WorkspaceDeps = { db, storage, driver, runUids, leaks };
  const projectDeps: ProjectDeps = {
    db,
    jobs,
    storage,
    rules: config,
    secret: config.secret,
    workspaces: workspaceDeps,
    publicUrl: deps.publicUrl,
    log,
  };
  const radarDeps: ScanDeps = { db, storage, changedPaths: rememberChangedPaths(200_000) };
  const streams = createEventStreams(db.changes);

  const { secret, registration } = config;
  const { startSession } = authService;
  const secondFactorService = createSecondFactorService(db, secret, startSession);
  const issuer = config.oidc?.issuer ?? null;
  const passkeyService = createPasskeyService(db, { secret, issuer }, startSession);
  const oidcService = createOidcService({
    db,
    secret,
    registration,
    settings: config.oidc,
    startSession,
    isInvited: hasInvitation,
    log,
  });

  const docker = await openDocker(config);
  const isAlone = config.databaseUrl === null;
  await unlockRepositories(storage, isAlone);
  await recoverWorkspaces(workspaceDeps, log);
  await clearMergeLeases(db, isAlone);
  const running = await openRuns({
    db,
    jobs,
    storage,
    workspaces: workspaceDeps,
    sandbox: deps.sandbox,
    docker,
    mailer,
    settings: config,
    publicUrl: deps.publicUrl,
    openCallback: (runId) => openCallbackListener(app.server, runId),
    alone: isAlone,
    log,
  });

  const methods = signInMethods(db, config, deps.publicUrl);
  registerRoutes(app, auth, authHandlers(db, authService, emailLinks, methods), options);
  registerRoutes(
    app,
    secondFactor,
    secondFactorHandlers(secondFactorService, deps.publicUrl),
    options,
  );
  registerRoutes(app, passkeys, passkeyHandlers(passkeyService, deps.publicUrl), options);
  registerRoutes(app, oidc, oidcHandlers(oidcService, authService, deps.publicUrl), options);
  registerRoutes(app, organizations, organizationHandlers(db, config), options);
  registerRoutes(app, members, memberHandlers({ db, mailer, publicUrl: deps.publicUrl }), options);
  registerRoutes(
    app,
    invitations,
    invitationHandlers({ db, mailer, settings: hashing, publicUrl: deps.publicUrl }),
    options,
  );
  registerRoutes(app, roles, roleHandlers(), options);
  registerRoutes(app, projects, projectHandlers(projectDeps), options);
  registerRoutes(app, upstreams, upstreamHandlers(projectDeps), options);
  registerRoutes(app, agents, agentHandlers(workspaceDeps), options);
  registerRoutes(app, runs, runHandlers(running.deps, credentials, deps.publicUrl), options);
  registerRoutes(app, sandbox, sandboxHandlers(running.deps), options);
  registerRoutes(app, usage, usageHandlers(workspaceDeps), options);
  registerRoutes(app, workspaces, workspaceHandlers(workspaceDeps, docker.report), options);
  registerRoutes(app, previews, previewHandlers(workspaceDeps), options);
  registerRoutes(app, graph, graphHandlers(workspaceDeps), options);
  registerRoutes(app, radar, radarHandlers(radarDeps), options);
  registerRoutes(app, apiKeys, apiKeyHandlers(keyDeps), options);
  registerRoutes(app, audit, auditHandlers(), options);
  registerRoutes(app, admin, adminHandlers(db, deps.publicUrl), options);
  registerRoutes(app, events, eventHandlers(db, streams, credentials, deps.publicUrl), options);
  registerGitHttp(app, {
    db,
    storage,
    credentials,
    workspaces: workspaceDeps,
    maxPushBytes: config.maxPushMib * 1024 * 1024,
  });
  registerHealth(app, {
    db,
    credentials,
    publicUrl: deps.publicUrl,
    machine: { sandbox: deps.sandbox.report, folder_driver: driver.name },
    build,
  });
  registerMetrics(app, metrics, config.metricsToken);
  registerDocs(app, deps.publicUrl);
  await registerGuide(app);
  await registerStatic(app, deps.webDir, () => streams.position());

  await recoverTerminations(workspaceDeps, log);
  await resumeProjects(projectDeps);
  // Several at once: an upstream that is slow must not keep others waiting.
  await jobs.work("import-project", (data, signal) => runImport(projectDeps, data, signal), 3);
  await jobs.work("use-upstream", (data, signal) => runUpstream(projectDeps, data, signal), 3);
  await jobs.work("remove-project", (data) => runRemoval(projectDeps, data));
  await jobs.work("scan-project", (data, signal) => scanProject(radarDeps, data, signal));
  await jobs.work("send-link", (data) => runSendLink(emailLinks, data));
  await jobs.work("send-mail", (data, signal) => mailer.runSendMail(data, signal));
  const radarWatch = startRadar(radarDeps, jobs, log);
  const checkpoints = startCheckpoints(workspaceDeps, log);
  let mounting: ReturnType<typeof restoreFolders> | undefined;
  // A thousand folders take longer to mount than a start may take.
  app.addHook("onListen", async () => {
    mounting = restoreFolders(workspaceDeps, log, isAlone);
  });
  const measuring = startMeasuring(workspaceDeps, log);
  const packing = startPacking(projectDeps, log);
  const forgetting = setInterval(() => {
    Promise.all([
      removeUnusedLayers(workspaceDeps, log),
      deleteOldAnswers(db),
      deleteExpiredHits(db),
      deleteExpiredLinks(db),
      expireArchives(workspaceDeps, log),
      deleteExpiredUsage(db),
      deleteExpiredLogs(storage, config.runLogDays),
    ]).catch((error: unknown) => {
      log.warn({ err: error }, "old rows were not deleted");
    });
  }, 60 * 60_000);
  forgetting.unref();
  const warn = (): Promise<void> =>
    sendExpiryWarnings(keyDeps).catch((error: unknown) => {
      log.warn({ err: error }, "owners of keys that expire were not told");
    });
  const warning = setInterval(() => void warn(), 60 * 60_000);
  warning.unref();
  await warn();

  const closeFolders = (): Promise<void> =>
    closeAll([
      () => checkpoints.stop(),
      () => mounting?.stop(),
      () => measuring.stop(),
      () => packing.stop(),
      // Where other processes serve the data folder, they serve the folders too.
      () => config.databaseUrl === null && releaseFolders(workspaceDeps, log),
    ]);
  dropUnusedConnections(app);
  app.decorate("endRuns", () => running.stop(config.shutdownRuns));
  app.addHook("preClose", async () => running.stop("stop"));
  app.addHook("preClose", async () => streams.close());
  app.addHook("onClose", async () => {
    // Those whose clients are gone.
    await requests.settled();
    clearInterval(forgetting);
    clearInterval(warning);
    await closeAll([
      () => running.close(),
      () => docker.close(),
      () => radarWatch.stop(),
      () => keyring.close(),
      // A job may need seconds to end; no job uses a folder that is mounted.
      () => Promise.all([jobs.stop(5000), closeFolders()]),
      async () => metrics.close(),
      () => telemetry?.close(),
    ]);
  });
  return app;
}

/** Whose word about their clients is believed: proxies', and that of a run never. */
function isTrusted(proxies: readonly string[]): (address: string) => boolean {
  return (address) => !isRunAddress(address) && proxies.some((proxy) => isWithin(address, proxy));
}

/** The page's own scripts and styles only; nobody may frame it (OWASP secure headers). */
const pageHeaders = {
  "content-security-policy":
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
};

/** Data is no page: nothing in it is run or framed (OWASP, REST security). */
const dataHeaders = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
};
