import { ValueType, type HrTime } from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  DataPointType,
  type CollectionResult,
  type DataPoint,
  type Histogram,
  type MetricData,
  type MetricProducer,
} from "@opentelemetry/sdk-metrics";
import type { MetricObjectWithValues, MetricValueWithName, Registry } from "prom-client";

/** Provides the metrics of `/metrics` to the OTLP exporter, with the same names and values. */
export function createMetricProducer(registry: () => Registry, resource: Resource): MetricProducer {
  const startTime = timeOf(Date.now());
  return {
    collect: async (): Promise<CollectionResult> => {
      const found = (await registry().getMetricsAsJSON()) as unknown as Metric[];
      const endTime = timeOf(Date.now());
      const metrics = found.map((metric) => metricOf(metric, startTime, endTime));
      const scope = { name: "omoi" };
      return { resourceMetrics: { resource, scopeMetrics: [{ scope, metrics }] }, errors: [] };
    },
  };
}

/** The declared type of `type` is a number, but it contains the name. */
type Metric = Omit<MetricObjectWithValues<MetricValueWithName<string>>, "type"> & {
  type: "counter" | "gauge" | "histogram" | "summary";
};

const timeOf = (ms: number): HrTime => [Math.floor(ms / 1000), Math.round((ms % 1000) * 1e6)];

function metricOf(metric: Metric, startTime: HrTime, endTime: HrTime): MetricData {
  const { name, help, type, values } = metric;
  const common = {
    descriptor: { name, description: help, unit: "", valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  if (type === "histogram") {
    const dataPointType = DataPointType.HISTOGRAM;
    return { ...common, dataPointType, dataPoints: histogramsOf(metric, startTime, endTime) };
  }
  const dataPoints = values.map(({ labels, value }) => ({
    startTime,
    endTime,
    attributes: attributesOf(labels),
    value,
  }));
  return type === "counter"
    ? { ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }
    : { ...common, dataPointType: DataPointType.GAUGE, dataPoints };
}

type Labels = Metric["values"][number]["labels"];

function attributesOf(labels: Labels): Record<string, string> {
  const entries = Object.entries(labels as Record<string, string | number>);
  return Object.fromEntries(entries.map(([label, value]) => [label, String(value)]));
}

/**
 * Returns one histogram per set of labels. Prometheus buckets are cumulative, OpenTelemetry's are not.
 */
function histogramsOf(
  { values }: Metric,
  startTime: HrTime,
  endTime: HrTime,
): DataPoint<Histogram>[] {
  const points = new Map<string, DataPoint<Histogram> & { below: number }>();
  for (const { labels, value, metricName = "" } of values) {
    const { le, ...attributes } = attributesOf(labels);
    const key = JSON.stringify(attributes);
    const buckets = { boundaries: [] as number[], counts: [] as number[] };
    const empty = { buckets, count: 0, sum: 0 };
    const point = points.get(key) ?? { startTime, endTime, attributes, value: empty, below: 0 };
    points.set(key, point);
    if (metricName.endsWith("_sum")) point.value.sum = value;
    else if (metricName.endsWith("_count")) point.value.count = value;
    else {
      if (le !== "+Inf") point.value.buckets.boundaries.push(Number(le));
      point.value.buckets.counts.push(value - point.below);
      point.below = value;
    }
  }
  return [...points.values()].map(({ below: _below, ...point }) => point);
}
