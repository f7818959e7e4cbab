/** Control groups as folders and files (cgroups(7)). */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export type Controller = "memory" | "pids" | "cpu" | "cpuacct";

/** Creates a group; an existing one is not an error. */
export function makeGroup(folder: string): void {
  try {
    mkdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/**
 * Kills the processes of a group until it is empty, and removes it; gives up after five seconds.
 */
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

/** Enables controllers for child groups as far as permitted (see `isEnabled`). */
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

/** Lists the child groups. */
export function subgroups(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}

/** Reads a file and splits it at whitespace; empty if it cannot be read. */
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
