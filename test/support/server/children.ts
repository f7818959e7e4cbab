import { readdir, readFile } from "node:fs/promises";

/**
 * Returns the pids of a process's live children whose command line has one of `words`: a title, or the name of a
 * module until the process has set its title.
 */
export async function childrenTitled(
  ...[title, module, parent = process.pid]: [title: string, module: string, parent?: number]
): Promise<number[]> {
  const pids: number[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const [stat = "", command = ""] = await Promise.all(
      ["stat", "cmdline"].map((file) => readFile(`/proc/${name}/${file}`, "utf8").catch(() => "")),
    );
    const [state, ppid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const isOne = command.includes(title) || command.includes(module);
    if (state !== "Z" && Number(ppid) === parent && isOne) pids.push(Number(name));
  }
  return pids;
}

/** Kills these children. Returns how many were still alive. */
export async function killChildren(...which: Parameters<typeof childrenTitled>): Promise<number> {
  let killed = 0;
  for (const pid of await childrenTitled(...which)) {
    try {
      process.kill(pid, "SIGKILL");
      killed += 1;
    } catch {
      // It has ended meanwhile.
    }
  }
  return killed;
}
