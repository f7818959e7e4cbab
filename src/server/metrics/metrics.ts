import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ObservedRequest } from "../http/server/observe-requests.js";
import { subscribe } from "#shared/node/measurements.js";

/** The metrics of one server process. */
export interface Metrics {
  /** Counts a request. */
  observeRequest(request: ObservedRequest): void;
  /** Returns all metrics, including Node's, in Prometheus text format 0.0.4. */
  text(): Promise<string>;
  readonly registry: () => Registry;
  close(): void;
}

/** A gauge evaluated at each scrape. */
export interface GaugeSource {
  name: string;
  help: string;
  labels: readonly string[];
  /** Returns each value with its labels, in the order of `labels`. */
  read: () => Promise<readonly LabeledValue[]>;
}

export type LabeledValue = readonly [labels: readonly string[], value: number];

const requestSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const workSeconds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const waitSeconds = [1, 5, 15, 60, 300, 900, 3600, 6 * 3600];

/** Node's own metrics belong to the process, even with several applications in it. */
let nodeRegistry: Registry | undefined;
function nodeMetrics(): Registry {
  if (!nodeRegistry) {
    nodeRegistry = new Registry();
    collectDefaultMetrics({ register: nodeRegistry });
  }
  return nodeRegistry;
}

/** Creates the metrics of one application and collects them until `close`. */
export function createMetrics(gauges: readonly GaugeSource[]): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Histogram({
    name: "http_request_duration_seconds",
    help: "Time from receiving a request to the end of its response.",
    labelNames: ["method", "route", "status"],
    buckets: requestSeconds,
    registers,
  });
  const runsStarted = new Counter({
    name: "omoi_runs_started_total",
    help: "Started runs.",
    registers,
  });
  const queueWait = new Histogram({
    name: "omoi_run_queue_wait_seconds",
    help: "Time runs waited in the queue before they started.",
    buckets: waitSeconds,
    registers,
  });
  const merges = new Counter({
    name: "omoi_merges_total",
    help: "Merges, syncs, reverts and restores by outcome.",
    labelNames: ["status", "strategy"],
    registers,
  });
  const mergeSeconds = new Histogram({
    name: "omoi_merge_duration_seconds",
    help: "Duration of merge requests, including the wait for the lease.",
    buckets: workSeconds,
    registers,
  });
  const checkpointSeconds = new Histogram({
    name: "omoi_checkpoint_duration_seconds",
    help: "Time to commit the changes of a workspace.",
    buckets: workSeconds,
    registers,
  });
  const gitSeconds = new Histogram({
    name: "omoi_git_command_duration_seconds",
    help: "Duration of git processes.",
    labelNames: ["command"],
    buckets: workSeconds,
    registers,
  });
  const modelTokens = new Counter({
    name: "omoi_model_tokens_total",
    help: "Tokens that providers of models reported, by kind.",
    labelNames: ["provider", "kind"],
    registers,
  });
  const egressDenied = new Counter({
    name: "omoi_egress_denied_total",
    help: "Connections of runs that the egress proxy denied.",
    registers,
  });
  for (const source of gauges) addGauge(registry, source);

  const unsubscribe = [
    subscribe("runStarted", ({ waitedSeconds }) => {
      runsStarted.inc();
      if (waitedSeconds !== null) queueWait.observe(waitedSeconds);
    }),
    subscribe("merge", ({ status, strategy, seconds }) => {
      merges.inc({ status, strategy });
      mergeSeconds.observe(seconds);
    }),
    subscribe("checkpoint", ({ seconds }) => checkpointSeconds.observe(seconds)),
    subscribe("modelCall", ({ provider, ...tokens }) => {
      for (const kind of ["input", "output", "cache_read", "cache_write"] as const) {
        modelTokens.inc({ provider, kind }, tokens[`${kind}_tokens`]);
      }
    }),
    subscribe("egressDenied", ({ connections }) => egressDenied.inc(connections)),
    subscribe("gitCommand", ({ command, seconds }) => gitSeconds.observe({ command }, seconds)),
  ];
  const all = (): Registry => Registry.merge([registry, nodeMetrics()]);
  return {
    observeRequest: ({ method, route, status, seconds }) => {
      requests.observe({ method, route, status }, seconds);
    },
    text: () => all().metrics(),
    registry: all,
    close: () => {
      for (const end of unsubscribe) end();
    },
  };
}

function addGauge(registry: Registry, { name, help, labels, read }: GaugeSource): void {
  const gauge = new Gauge({
    name,
    help,
    labelNames: [...labels],
    registers: [],
    async collect() {
      const values = await read();
      this.reset();
      for (const [texts, value] of values) {
        this.set(
          Object.fromEntries(labels.map((label, place) => [label, texts[place] ?? ""])),
          value,
        );
      }
    },
  });
  registry.registerMetric(gauge);
}
