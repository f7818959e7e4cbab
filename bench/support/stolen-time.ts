import { readFile } from "node:fs/promises";

/** Share of the processors that the hypervisor may take during a measurement. */
const MAX_STOLEN = 0.02;
const ATTEMPTS = 3;

/**
 * Measures while the hypervisor leaves the processors to this machine: repeats a measurement during which it
 * took more, and returns the least disturbed of three if none was undisturbed. Only Linux counts the stolen time
 * (proc_stat(5)).
 */
export async function undisturbed<Result>(
  measure: () => Promise<Result>,
  log: (line: string) => void,
): Promise<Result> {
  let least = { stolen: Number.POSITIVE_INFINITY, result: [] as Result[] };
  for (let attempt = 0; attempt < ATTEMPTS && least.stolen > MAX_STOLEN; attempt += 1) {
    const before = await readTimes();
    const result = await measure();
    const after = await readTimes();
    const stolen = (after.stolen - before.stolen) / Math.max(1, after.all - before.all);
    if (stolen > MAX_STOLEN) log(`${(stolen * 100).toFixed(0)} % of the processors were stolen`);
    if (stolen < least.stolen) least = { stolen, result: [result] };
  }
  return least.result[0] as Result;
}

async function readTimes(): Promise<{ all: number; stolen: number }> {
  const stat = await readFile("/proc/stat", "utf8").catch(() => "cpu 0");
  // user, nice, system, idle, iowait, irq, softirq, steal
  const times = (stat.split("\n", 1)[0] ?? "").trim().split(/\s+/).slice(1, 9).map(Number);
  return { all: times.reduce((sum, time) => sum + time, 0), stolen: times[7] ?? 0 };
}
