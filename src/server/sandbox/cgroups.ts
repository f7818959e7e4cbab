/**
 * Control groups: what the kernel counts and limits a run's processes by. Version 2, or version 1
 * with each controller in a hierarchy of its own; always below the server's own group, so that what
 * the machine grants to the server bounds its runs, too.
 */
import { rmdirSync } from "node:fs";
import { join } from "node:path";
import { type Controller, enable, makeGroup, removeGroup, subgroups } from "./cgroup-files.js";
import { findHierarchies } from "./cgroup-hierarchies.js";
import { isAlive, ownerOf } from "./processes.js";
import { type GroupLimits, openRunGroup, type RunGroup } from "./run-group.js";

export interface ControlGroups {
  readonly version: 1 | 2;
  /** Which limits they can hold. */
  readonly controllers: ReadonlySet<Controller>;
  create(name: string, limits: GroupLimits): RunGroup;
  /** Kills and removes the groups of servers that are gone. */
  removeLeftovers(): Promise<void>;
  /** Removes this server's own, empty, folder of groups. */
  close(): void;
}

const PREFIX = "omoi-";

/**
 * Opens the groups below the server's own; null where none may be made.
 * @param name of this opening (`nameFor`)
 */
export function openControlGroups(name: string): ControlGroups | null {
  const found = findHierarchies();
  if (found === null) return null;
  const { version, bases } = found;
  const folderName = PREFIX + name;
  const folders = new Map<string, string>(); // base → this server's folder
  for (const base of new Set(bases.values())) {
    const folder = join(base, folderName);
    try {
      makeGroup(folder);
      if (version === 2)
        enable(
          folder,
          [...bases.keys()].filter((name) => name !== "cpuacct"),
        );
      folders.set(base, folder);
    } catch {
      for (const [name, of] of bases) if (of === base) bases.delete(name);
    }
  }
  if (bases.size === 0) return null;

  return {
    version,
    controllers: new Set(bases.keys()),
    create(name, limits) {
      const groups = new Map<Controller, string>();
      for (const [controller, base] of bases) {
        groups.set(controller, join(folders.get(base) as string, name));
      }
      return openRunGroup(version, groups, limits);
    },
    async removeLeftovers() {
      for (const base of new Set(bases.values())) {
        for (const entry of subgroups(base)) {
          if (!entry.startsWith(PREFIX)) continue;
          const server = ownerOf(entry.slice(PREFIX.length));
          if (server === null || isAlive(server)) continue;
          const folder = join(base, entry);
          for (const group of subgroups(folder)) await removeGroup(join(folder, group));
          await removeGroup(folder);
        }
      }
    },
    close() {
      for (const folder of folders.values()) {
        try {
          rmdirSync(folder);
        } catch {
          // A run is still in it; the next start removes it.
        }
      }
    },
  };
}
