import type { Server } from "node:http";
import { closeAll } from "./close-all.js";
import { features } from "./features/index.js";
import { openServices, type ServerInput } from "./features/services.js";
import { createHttpServer } from "./http/server/create-http-server.js";
import { forwardToHomes } from "./http/forwarding/forward-to-home.js";
import { deleteOldAnswers } from "./http/requests/idempotency.js";
import type { RouteOptions } from "./http/register-routes.js";
import { createGauges } from "./metrics/gauges.js";
import { createMetrics } from "./metrics/metrics.js";
import { metricsRoutes } from "./metrics/routes.js";
import { registerReference } from "./pages/reference/register.js";
import { registerGuide } from "./pages/guide/register-guide.js";
import { registerStatic } from "./pages/static.js";

export interface AppInput extends ServerInput {
  /** Folder of the built web app. */
  webDir: string;
  /** How long a page waits for the responses to its first requests. */
  pageWaitMs: number;
  /** Whether responses and error codes are checked against the calls, as in every test. */
  checkResponses: boolean;
}

export interface App {
  readonly server: Server;
  listen(address: { host: string; port: number }): Promise<unknown>;
  /** Ends runs while the API still responds, then requests, then background work. */
  close(): Promise<void>;
}

const jobsStopMs = 5000;
const hourMs = 60 * 60_000;

/** Builds the whole server on an open database and recovers from a crash of an earlier process. */
export async function buildApp(input: AppInput): Promise<App> {
  const { config, db, log, publicUrl } = input;
  const { app, requests } = await createHttpServer(config, log, publicUrl, (request) =>
    metrics.observeRequest(request),
  );
  const services = await openServices(input, app.server);
  const { build, cluster, credentials, docker, eventStreams, jobs, lease, mailer } = services;
  if (cluster) forwardToHomes(app, cluster, { db, requests });
  const opened = features.map((open) => open(services));
  const metrics = createMetrics(
    createGauges({
      db,
      dataDir: config.dataDir,
      openStreams: () => eventStreams.count(),
      ofFeatures: opened.flatMap(({ gauges = [] }) => gauges),
      log,
    }),
  );
  const telemetry = config.telemetry
    ? (await import("./metrics/telemetry.js")).startTelemetry(
        app,
        metrics,
        { ...config.telemetry, version: build.version },
        log,
      )
    : null;

  for (const feature of opened) await feature.recover?.();

  const options: RouteOptions = {
    db,
    secret: db.verificationKey,
    credentials,
    publicUrl,
    checkResponses: input.checkResponses,
    requests,
    items: new Map(),
  };
  const routes = opened.flatMap((feature) => feature.routes ?? []);
  for (const register of [...routes, metricsRoutes(metrics, config.metricsToken)]) {
    register(app, options);
  }
  registerReference(app, publicUrl);
  await registerGuide(app);
  await registerStatic(app, input.webDir, () => eventStreams.position(), input.pageWaitMs);

  for (const feature of opened) await feature.start?.();
  for (const { jobs: workers = [] } of opened) for (const take of workers) await take(jobs);
  await jobs.work("send-mail", (data, signal) => mailer.runSendMail(data, signal));
  const cleanUp = async (name: string, work: () => Promise<unknown> | undefined): Promise<void> => {
    try {
      if ((await db.maintenance()) === null) await work();
    } catch (error) {
      log.warn({ err: error, feature: name }, "the hourly cleanup failed");
    }
  };
  const hourly = setInterval(() => {
    if (!lease.isHeld()) return;
    for (const feature of opened) void cleanUp(feature.name, () => feature.hourly?.());
    void cleanUp("http", () => deleteOldAnswers(db));
  }, hourMs);
  hourly.unref();

  const last = opened.toReversed();
  app.addHook("preClose", () => closeAll(last.map((feature) => () => feature.endStreams?.())));
  return {
    server: app.server,
    listen: (address) => app.listen(address),
    close: () =>
      closeAll([
        ...last.map((feature) => () => feature.drain?.()),
        () => app.close(),
        // A handler may outlive the connection of its client.
        () => requests.settled(),
        () => clearInterval(hourly),
        ...last.map((feature) => () => feature.stop?.()),
        () =>
          Promise.all([
            jobs.stop(jobsStopMs),
            closeAll(last.map((feature) => () => feature.close?.())),
          ]),
        () => docker.close(),
        () => lease.stop(),
        () => cluster?.close(),
        () => metrics.close(),
        () => telemetry?.close(),
      ]),
  };
}
