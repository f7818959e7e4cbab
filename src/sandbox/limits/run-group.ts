/** Limits of one run's control group. */
import { writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Controller, makeGroup, readText, removeGroup, words } from "./cgroup-files.js";

export interface GroupLimits {
  memoryBytes: number;
  processes: number;
  cpus: number | null;
}

/** Kernel counters of a run; null if unavailable. */
export interface Readings {
  oomKills: number;
  refusedForks: number;
  throttled: number | null;
  cpuSeconds: number | null;
  peakMemoryBytes: number | null;
}

/** The control group of one run. */
export interface RunGroup {
  /** Moves a process into it; later children are born in it. */
  add(pid: number): Promise<void>;
  /** All processes in it, by host pid. */
  pids(): number[];
  readings(): Readings;
  /** Kills remaining processes and removes it. */
  remove(): Promise<void>;
}

/** Creates the group with its limits. @param groups its folder for each controller */
export function openRunGroup(
  version: 1 | 2,
  groups: ReadonlyMap<Controller, string>,
  limits: GroupLimits,
): RunGroup {
  const folders = [...new Set(groups.values())];
  const at = (controller: Controller, file: string): string | null => {
    const folder = groups.get(controller);
    return folder === undefined ? null : join(folder, file);
  };
  const set = (controller: Controller, file: string, value: number | string): void => {
    const path = at(controller, file);
    if (path !== null) writeFileSync(path, String(value));
  };
  const number = (controller: Controller, file: string, key?: string): number | null => {
    const path = at(controller, file);
    const text = path === null ? null : readText(path);
    if (text === null) return null;
    if (key === undefined) return Number(text);
    const line = text.split("\n").find((line) => line.startsWith(`${key} `));
    return line === undefined ? null : Number(line.slice(key.length + 1));
  };

  for (const folder of folders) makeGroup(folder);
  const period = 100_000;
  if (version === 1) {
    set("memory", "memory.limit_in_bytes", limits.memoryBytes);
    // Memory and swap together; not every kernel accounts swap.
    try {
      set("memory", "memory.memsw.limit_in_bytes", limits.memoryBytes);
    } catch {
      // Without the file there is no swap to limit, or the kernel does not count it.
    }
    if (limits.cpus !== null) {
      set("cpu", "cpu.cfs_period_us", period);
      set("cpu", "cpu.cfs_quota_us", Math.max(1000, Math.round(limits.cpus * period)));
    }
  } else {
    set("memory", "memory.max", limits.memoryBytes);
    try {
      set("memory", "memory.swap.max", 0);
    } catch {
      // No swap in this kernel.
    }
    if (limits.cpus !== null) {
      set("cpu", "cpu.max", `${Math.max(1000, Math.round(limits.cpus * period))} ${period}`);
    }
  }
  set("pids", "pids.max", limits.processes);

  return {
    async add(pid) {
      // Each write may block for some milliseconds.
      const files = folders.map((folder) => join(folder, "cgroup.procs"));
      await Promise.all(files.map((file) => writeFile(file, String(pid))));
    },
    pids: () => words(join(folders[0] as string, "cgroup.procs")).map(Number),
    readings() {
      const nanoseconds = version === 1 ? number("cpuacct", "cpuacct.usage") : null;
      const microseconds = version === 2 ? number("cpu", "cpu.stat", "usage_usec") : null;
      return {
        oomKills:
          (version === 1
            ? number("memory", "memory.oom_control", "oom_kill")
            : number("memory", "memory.events", "oom_kill")) ?? 0,
        refusedForks: number("pids", "pids.events", "max") ?? 0,
        throttled: number("cpu", "cpu.stat", "nr_throttled") ?? 0,
        cpuSeconds:
          nanoseconds !== null
            ? nanoseconds / 1e9
            : microseconds !== null
              ? microseconds / 1e6
              : null,
        peakMemoryBytes: number(
          "memory",
          version === 1 ? "memory.max_usage_in_bytes" : "memory.peak",
        ),
      };
    },
    async remove() {
      for (const folder of folders) await removeGroup(folder);
    },
  };
}
