import { Histogram, type HistogramConfiguration } from "prom-client";

/** The observations of one series. */
interface Series {
  labels: Labels;
  /** The number of values per bucket, not cumulative; the last bucket has no upper bound. */
  counts: number[];
  sum: number;
}

type Labels = Record<"method" | "route" | "status", string>;
type LabelName = keyof Labels;
type Metric = Awaited<ReturnType<Histogram<LabelName>["get"]>>;

/**
 * A histogram of requests. prom-client validates and sorts the labels of each observation, which takes
 * twenty times as long; here a series is looked up by its few label values.
 */
export class RequestHistogram extends Histogram<LabelName> {
  readonly #bounds: readonly number[];
  readonly #empty: Histogram<LabelName>;
  readonly #series = new Map<string, Map<number, Map<string, Series>>>();

  /** @param buckets the upper bounds in seconds, ascending */
  constructor(options: Omit<HistogramConfiguration<LabelName>, "labelNames">, buckets: number[]) {
    super({ ...options, buckets, labelNames: ["method", "route", "status"] });
    this.#bounds = buckets;
    this.#empty = new Histogram({ ...options, registers: [] });
  }

  count(method: string, route: string, status: number, seconds: number): void {
    const series =
      this.#series.get(route)?.get(status)?.get(method) ?? this.#make(method, route, status);
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && seconds > (bounds[bucket] as number)) bucket += 1;
    series.counts[bucket] = (series.counts[bucket] as number) + 1;
    series.sum += seconds;
  }

  override async get(): Promise<Metric> {
    const empty = await this.#empty.get();
    const values = this.#all().flatMap((series) => this.#valuesOf(series, empty.name));
    return { ...empty, values };
  }

  /** Called by prom-client for its text format. */
  getForPromString(): Promise<Metric> {
    return this.get();
  }

  #make(method: string, route: string, status: number): Series {
    const labels = { method, route, status: String(status) };
    const series = { labels, counts: Array<number>(this.#bounds.length + 1).fill(0), sum: 0 };
    const byStatus = this.#series.get(route) ?? new Map<number, Map<string, Series>>();
    const byMethod = byStatus.get(status) ?? new Map<string, Series>();
    this.#series.set(route, byStatus.set(status, byMethod.set(method, series)));
    return series;
  }

  #all(): Series[] {
    return [...this.#series.values()]
      .flatMap((byStatus) => [...byStatus.values()])
      .flatMap((byMethod) => [...byMethod.values()]);
  }

  /** Returns the cumulative buckets that Prometheus expects. */
  #valuesOf({ labels, counts, sum }: Series, name: string): Metric["values"] {
    let count = 0;
    const buckets = [...this.#bounds, "+Inf"].map((le, place) => {
      count += counts[place] as number;
      return { labels: { le, ...labels }, value: count, metricName: `${name}_bucket` };
    });
    return [
      ...buckets,
      { labels, value: sum, metricName: `${name}_sum` },
      { labels, value: count, metricName: `${name}_count` },
    ];
  }
}
