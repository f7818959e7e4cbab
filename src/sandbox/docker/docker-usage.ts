import type { DockerApi } from "./docker-api.js";
import { repeat } from "../repeat.js";
import type { Readings } from "../limits/run-group.js";

/** The engine's usage report (ContainerStats). */
interface Stats {
  cpu_stats: {
    cpu_usage: { total_usage: number };
    throttling_data?: { throttled_periods: number };
  };
  memory_stats: { usage?: number; stats?: { inactive_file?: number } };
}

export interface UsageWatch {
  /** The latest figures; nulls if the container ended before the first poll. */
  readings(): Readings;
  stop(): void;
}

/** Poll interval; usage after the last poll is not counted. */
const LOOK_MS = 500;

/** Polls the usage of a container, since the engine forgets it when the container ends. */
export function watchUsage(api: DockerApi, container: string): UsageWatch {
  const seen: Readings = {
    oomKills: 0,
    refusedForks: 0,
    throttled: null,
    cpuSeconds: null,
    peakMemoryBytes: null,
  };
  const watch = repeat(LOOK_MS, async () => {
    const path = `/containers/${container}/stats?stream=false&one-shot=true`;
    const { cpu_stats: cpu, memory_stats: memory } = (await api.call("GET", path)) as Stats;
    // A container that has just ended reports zero.
    if (cpu.cpu_usage.total_usage === 0) return;
    seen.cpuSeconds = cpu.cpu_usage.total_usage / 1e9;
    seen.throttled = cpu.throttling_data?.throttled_periods ?? null;
    const used = (memory.usage ?? 0) - (memory.stats?.inactive_file ?? 0);
    seen.peakMemoryBytes = Math.max(seen.peakMemoryBytes ?? 0, used);
  });
  return { readings: () => ({ ...seen }), stop: () => void watch.stop() };
}
