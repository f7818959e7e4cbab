/** OpenTelemetry export, loaded only when an endpoint is configured. */
import {
  defaultTextMapGetter,
  diag,
  DiagLogLevel,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { methodOf, routeOf } from "../http/server/observe-requests.js";
import { subscribe } from "#shared/node/measurements.js";
import type { Metrics } from "./metrics.js";
import { createMetricProducer } from "./otlp-producer.js";

export interface TelemetrySettings {
  /** The base URL of an OTLP/HTTP receiver; traces go to `/v1/traces`, metrics to `/v1/metrics`. */
  endpoint: string;
  /** Interval between metric exports in milliseconds. */
  metricIntervalMs: number;
}

/** Statuses of runs whose spans are errors; a stop is none. */
const failedStatuses: ReadonlySet<string> = new Set(["failed", "timed_out", "lost"]);

/** Maximum wait for the last export at shutdown. */
const lastExportMs = 3000;

/**
 * Exports a span for each request and each git process it starts, a trace for each run, and the metrics of `/metrics`. The
 * OpenTelemetry libraries read the standard variables (OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_HEADERS,
 * OTEL_TRACES_SAMPLER, …).
 */
export function startTelemetry(
  app: FastifyInstance,
  metrics: Metrics,
  settings: TelemetrySettings & { version: string },
  log: Logger,
): { close(): Promise<void> } {
  const { endpoint, metricIntervalMs, version } = settings;
  const tell = (message: string): void => log.warn({ telemetry: message }, "telemetry");
  const quiet = (): void => {};
  diag.setLogger(
    { error: tell, warn: tell, info: quiet, debug: quiet, verbose: quiet },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const resource = defaultResource()
    .merge(resourceFromAttributes({ "service.name": "omoi", "service.version": version }))
    .merge(detectResources({ detectors: [envDetector] }));
  const tracers = new BasicTracerProvider({
    resource,
    spanProcessors: [
      new BatchSpanProcessor(new OTLPTraceExporter({ url: `${endpoint}/v1/traces` })),
    ],
  });
  const meters = new MeterProvider({
    resource,
    readers: [
      new PeriodicExportingMetricReader({
        exporter: new OTLPMetricExporter({ url: `${endpoint}/v1/metrics` }),
        exportIntervalMillis: metricIntervalMs,
        exportTimeoutMillis: Math.min(metricIntervalMs, 10_000),
        metricProducers: [createMetricProducer(metrics.registry, resource)],
      }),
    ],
  });
  const tracer = tracers.getTracer("omoi", version);
  const contexts = new AsyncLocalStorageContextManager().enable();
  const propagator = new W3CTraceContextPropagator();

  app.addHook("onRequest", (request, reply, done) => {
    const method = methodOf(request.raw);
    const route = routeOf(request);
    const parent = propagator.extract(ROOT_CONTEXT, request.headers, defaultTextMapGetter);
    const span = tracer.startSpan(
      `${method} ${route}`,
      {
        kind: SpanKind.SERVER,
        attributes: { "http.request.method": method, "http.route": route },
      },
      parent,
    );
    reply.raw.once("close", () => {
      span.setAttribute("http.response.status_code", reply.raw.statusCode);
      if (reply.raw.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    });
    contexts.with(trace.setSpan(parent, span), done);
  });
  const unsubscribe = subscribe("gitCommand", ({ command, seconds, succeeded }) => {
    const parent = contexts.active();
    if (trace.getSpan(parent) === undefined) return;
    const span = tracer.startSpan(
      `git ${command}`,
      { startTime: Date.now() - seconds * 1000 },
      parent,
    );
    if (!succeeded) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  });
  // A run outlasts the request or the job that started it: it has a trace of its own.
  const forgetRuns = subscribe("run", ({ kind, status, phases }) => {
    const [first] = phases;
    const last = phases.at(-1);
    if (first === undefined || last === undefined) return;
    const cause = trace.getSpanContext(contexts.active());
    const run = tracer.startSpan("run", {
      root: true,
      startTime: first.from,
      attributes: { "omoi.run.kind": kind, "omoi.run.status": status },
      ...(cause && { links: [{ context: cause }] }),
    });
    if (failedStatuses.has(status)) run.setStatus({ code: SpanStatusCode.ERROR });
    const parent = trace.setSpan(ROOT_CONTEXT, run);
    for (const { name, from, to } of phases) {
      tracer.startSpan(`run ${name}`, { startTime: from }, parent).end(to);
    }
    run.end(last.to);
  });
  return {
    close: async () => {
      unsubscribe();
      forgetRuns();
      const late = new Promise((resolve) => setTimeout(resolve, lastExportMs).unref());
      const exported = Promise.all([tracers.shutdown(), meters.shutdown()]).catch(quiet);
      await Promise.race([exported, late]);
      contexts.disable();
    },
  };
}
