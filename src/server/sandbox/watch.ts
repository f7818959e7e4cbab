/** Watches what no control group counts: the disk of a workspace, and, without groups, memory. */
import { readFileSync, statfsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { readTool } from "./launch.js";
import { descendantsOf, readProcess, type ProcessRecord } from "./processes.js";

interface Watch {
  /** Ends it; answers once it looks no more. */
  stop(): Promise<void>;
}

/** Looks again and again, never twice at once, until it is stopped. */
function repeat(everyMs: number, look: () => Promise<void>): Watch {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let looking = Promise.resolve();
  const next = (): void => {
    looking = look()
      // A folder or process that is just going away: what it was is seen by the next look or the end.
      .catch(() => undefined)
      .then(() => {
        if (!stopped) timer = setTimeout(next, everyMs);
      });
  };
  next();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await looking;
    },
  };
}

/**
 * Calls `onOver` when a folder holds more than `limitBytes`. Its size is measured in full at first and
 * then only where the free space of its file system has shrunk so far that it could be over, or, for
 * what other writers' deletions hide, now and then; for a quarter of the time at most.
 */
export function watchDisk(folder: string, limitBytes: number, onOver: () => void): Watch {
  let size = 0;
  let freeThen = 0;
  let measuredAt = -Infinity;
  let tookMs = 0;
  return repeat(200, async () => {
    const { bsize, bfree } = await statfs(folder);
    const free = bsize * bfree;
    const couldBe = size + Math.max(0, freeThen - free);
    const age = performance.now() - measuredAt;
    const due = age > Math.max(10_000, 20 * tookMs);
    const suspicious = couldBe > limitBytes && age > 3 * tookMs;
    if (!due && !suspicious) return;
    const started = performance.now();
    const measured = await sizeOf(folder);
    // What cannot be looked into holds at most what the file system lost.
    size = measured.complete ? measured.bytes : Math.max(measured.bytes, couldBe);
    freeThen = free;
    measuredAt = performance.now();
    tookMs = measuredAt - started;
    if (size > limitBytes) onOver();
  });
}

/** What a folder's files take on the disk: by du, which neither follows links nor loses its way. */
export async function sizeOf(folder: string): Promise<{ bytes: number; complete: boolean }> {
  const { exitCode, stdout } = await readTool(["du", "-skx", "--", folder]);
  const kibibytes = Number(/^(\d+)\s/.exec(stdout)?.[1] ?? Number.NaN);
  if (Number.isNaN(kibibytes)) throw new Error("du told no size");
  return { bytes: 1024 * kibibytes, complete: exitCode === 0 };
}

/** What the processes of a run were seen to use. */
interface Seen {
  peakMemoryBytes: number;
  cpuSeconds: number;
  /** Processes and threads, at most. */
  peakTasks: number;
}

/** A folder of a sandbox that lies in memory, in a file system of that size in bytes. */
export interface MemoryFolder {
  path: string;
  size: number;
}

export interface ProcessWatch extends Watch {
  readonly seen: Readonly<Seen>;
}

const PAGE = 4096;
const TICKS_PER_SECOND = 100;

/**
 * Looks at a sandbox's processes and its files in memory, and calls `onOver` when they are more than
 * `memoryBytes`. What grows faster than it looks gets further before it is ended.
 */
export function watchProcesses(
  init: number,
  memoryBytes: number,
  inMemory: readonly MemoryFolder[],
  onOver: () => void,
): ProcessWatch {
  const seen: Seen = { peakMemoryBytes: 0, cpuSeconds: 0, peakTasks: 0 };
  const watch = repeat(100, async () => {
    const first = readProcess(init);
    if (first === null) return;
    const members = [first, ...descendantsOf(init)];
    const tasks = members.reduce((sum, member) => sum + member.threads, 0);
    const ticks = members.reduce((sum, member) => sum + member.cpuTicks, 0);
    const resident = PAGE * members.reduce((sum, member) => sum + member.residentPages, 0);
    const files = inMemory.reduce((sum, folder) => sum + usedOf(init, folder), 0);
    // Pages that processes share are counted once, where it matters.
    const memory = files + (files + resident > memoryBytes ? proportional(members) : resident);
    seen.peakTasks = Math.max(seen.peakTasks, tasks);
    seen.cpuSeconds = Math.max(seen.cpuSeconds, ticks / TICKS_PER_SECOND);
    seen.peakMemoryBytes = Math.max(seen.peakMemoryBytes, memory);
    if (memory > memoryBytes) onOver();
  });
  return { ...watch, seen };
}

function usedOf(init: number, { path, size }: MemoryFolder): number {
  try {
    const { bsize, blocks, bfree } = statfsSync(`/proc/${init}/root${path}`);
    // Until the sandbox is complete the machine's own folder is there.
    return bsize * blocks === size ? bsize * (blocks - bfree) : 0;
  } catch {
    return 0;
  }
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
