/** The usage of this container, from its control group of version 2; null where it cannot be read. */
import { readFileSync } from "node:fs";

export interface ContainerUsage {
  cpuSeconds: number | null;
  /** Since the container's start. */
  peakMemoryBytes: number | null;
  oomKills: number | null;
}

/** In a namespace of control groups, the container's own group is the root. */
const GROUP = "/sys/fs/cgroup";

export function readUsage(): ContainerUsage {
  const micros = valueOf("cpu.stat", "usage_usec");
  return {
    cpuSeconds: micros === null ? null : micros / 1_000_000,
    peakMemoryBytes: valueOf("memory.peak"),
    oomKills: valueOf("memory.events", "oom_kill"),
  };
}

function valueOf(file: string, key?: string): number | null {
  let text: string;
  try {
    text = readFileSync(`${GROUP}/${file}`, "utf8");
  } catch {
    return null;
  }
  const line = text.split("\n").find((one) => key === undefined || one.startsWith(`${key} `));
  const value = Number(key === undefined ? line : line?.slice(key.length + 1));
  return line === undefined || line === "" || !Number.isSafeInteger(value) ? null : value;
}
