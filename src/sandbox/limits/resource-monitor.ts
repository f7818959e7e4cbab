/** Monitors the memory of a run's processes if no control group limits it. */
import { readFileSync, statfsSync } from "node:fs";
import { descendantsOf, readProcess, type ProcessRecord } from "../processes.js";
import { repeat, type Watch } from "../repeat.js";
import type { GroupLimits } from "./run-group.js";

/** Observed usage of a run. */
interface Seen {
  peakMemoryBytes: number;
  cpuSeconds: number;
  /** Peak number of processes and threads. */
  peakTasks: number;
}

/** An in-memory folder of a sandbox, a file system of that size in bytes. */
export interface MemoryFolder {
  path: string;
  size: number;
}

export interface ProcessMonitor extends Watch {
  readonly seen: Readonly<Seen>;
  /** The limit of processes and threads. */
  readonly mostTasks: number;
}

/** Returns the memory of the processes in bytes, exact above `most`. */
export type MeasureMemory = (members: readonly ProcessRecord[], most: number) => number;

const PAGE = 4096;
const TICKS_PER_SECOND = 100;

/**
 * Polls a sandbox's processes and in-memory files, and calls `onOver` once they exceed
 * `memoryBytes`. Fast growth overshoots until the next poll.
 */
export function monitorProcesses(
  init: number,
  { memoryBytes, processes }: Pick<GroupLimits, "memoryBytes" | "processes">,
  inMemory: readonly MemoryFolder[],
  onOver: () => void,
  measure: MeasureMemory = residentMemory,
): ProcessMonitor {
  const seen: Seen = { peakMemoryBytes: 0, cpuSeconds: 0, peakTasks: 0 };
  const watch = repeat(100, async () => {
    const first = readProcess(init);
    if (first === null) return;
    const members = [first, ...descendantsOf(init)];
    const tasks = members.reduce((sum, member) => sum + member.threads, 0);
    const ticks = members.reduce((sum, member) => sum + member.cpuTicks, 0);
    const files = inMemory.reduce((sum, folder) => sum + usedOf(init, folder), 0);
    const memory = files + measure(members, memoryBytes - files);
    seen.peakTasks = Math.max(seen.peakTasks, tasks);
    seen.cpuSeconds = Math.max(seen.cpuSeconds, ticks / TICKS_PER_SECOND);
    seen.peakMemoryBytes = Math.max(seen.peakMemoryBytes, memory);
    if (memory > memoryBytes) onOver();
  });
  return { ...watch, seen, mostTasks: processes };
}

function usedOf(init: number, { path, size }: MemoryFolder): number {
  try {
    const { bsize, blocks, bfree } = statfsSync(`/proc/${init}/root${path}`);
    // Until the sandbox is complete, this is the machine's own folder.
    return bsize * blocks === size ? bsize * (blocks - bfree) : 0;
  } catch {
    return 0;
  }
}

function residentMemory(members: readonly ProcessRecord[], most: number): number {
  const resident = PAGE * members.reduce((sum, member) => sum + member.residentPages, 0);
  // Near the limit, shared pages are counted once.
  return resident > most ? proportional(members) : resident;
}

function proportional(members: readonly ProcessRecord[]): number {
  let sum = 0;
  for (const { pid, residentPages } of members) {
    try {
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
      sum += 1024 * Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
    } catch {
      sum += PAGE * residentPages;
    }
  }
  return sum;
}
