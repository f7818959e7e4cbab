import { readFile, writeFile } from "node:fs/promises";

/** Returns by how many bytes the resident memory of a process grew at most during the work (proc_pid_status(5)). */
export async function memoryGrowth(pid: number, work: () => Promise<unknown>): Promise<number> {
  const before = await read(pid, "VmRSS");
  // Resets the peak (proc_pid_clear_refs(5)).
  await writeFile(`/proc/${pid}/clear_refs`, "5");
  await work();
  return (await read(pid, "VmHWM")) - before;
}

async function read(pid: number, field: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
  if (kibibytes === undefined) throw new Error(`no ${field} of the process ${pid}`);
  return Number(kibibytes) * 1024;
}
