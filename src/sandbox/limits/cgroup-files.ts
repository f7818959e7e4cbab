/** A control group is a folder, and what is read and set of it are files (cgroups(7)). */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export type Controller = "memory" | "pids" | "cpu" | "cpuacct";

/** Makes a group; one that is there already is no error. */
export function makeGroup(folder: string): void {
  try {
    mkdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** Kills what is in a group until it is empty, and removes it; gives up after five seconds. */
export async function removeGroup(folder: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    try {
      rmdirSync(folder);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    }
    for (const pid of words(join(folder, "cgroup.procs"))) {
      try {
        process.kill(Number(pid), "SIGKILL");
      } catch {
        // Gone already.
      }
    }
    await sleep(Math.min(50, attempt + 1));
  }
}

/** Lets the groups below have these controllers, as far as it is allowed (`isEnabled`). */
export function enable(folder: string, controllers: readonly string[]): void {
  for (const name of controllers) {
    try {
      writeFileSync(join(folder, "cgroup.subtree_control"), `+${name}`);
    } catch {
      // Seen by isEnabled.
    }
  }
}

export function isEnabled(folder: string, controllers: readonly string[]): boolean {
  const enabled = words(join(folder, "cgroup.subtree_control"));
  return controllers.every((name) => enabled.includes(name));
}

/** The names of the groups below one. */
export function subgroups(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}

/** What a file holds, split at spaces and line ends; nothing where it cannot be read. */
export function words(path: string): string[] {
  return (readText(path) ?? "").split(/\s+/).filter(Boolean);
}

export function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
