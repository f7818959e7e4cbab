/**
 * Control groups: kernel accounting and limits for a run's processes. Version 2, or version 1 with
 * one hierarchy per controller; always below the server's own group, so that limits of the server
 * include its runs.
 */
import { rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Controller, enable, makeGroup, removeGroup, subgroups } from "./cgroup-files.js";
import { findHierarchies } from "./cgroup-hierarchies.js";
import { isAlive, ownerOf } from "../processes.js";
import { type GroupLimits, openRunGroup, type RunGroup } from "./run-group.js";
import { SandboxRefusal } from "../sandbox.js";

export interface ControlGroups {
  readonly version: 1 | 2;
  /** The enforceable limits. */
  readonly controllers: ReadonlySet<Controller>;
  /**
   * Creates a run's group, recreating the server's own if it disappeared.
   * @throws SandboxRefusal if that fails
   */
  create(name: string, limits: GroupLimits): RunGroup;
  /** Kills and removes the groups of dead servers of this data folder. */
  removeLeftovers(): Promise<void>;
  /** Removes this server's own, empty group. */
  close(): void;
}

const PREFIX = "omoi-";

/**
 * Opens the groups below the server's own; null if no groups can be created.
 * @param name a unique name (`resourceName`)
 */
export function openControlGroups(name: string, dataDir: string): ControlGroups | null {
  const folderName = PREFIX + name;
  const first = makeServerGroups(folderName);
  if (first === null) return null;
  let server: ServerGroups = first;
  const { version } = first;
  const controllers: ReadonlySet<Controller> = new Set(first.folders.keys());

  const create = (name: string, limits: GroupLimits): RunGroup => {
    const folders = [...server.folders];
    const groups = new Map(folders.map(([controller, folder]) => [controller, join(folder, name)]));
    return openRunGroup(version, groups, limits);
  };
  return {
    version,
    controllers,
    create(name, limits) {
      try {
        return create(name, limits);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
      // Another program removed the server's empty group, or moved the server to another one.
      const again = makeServerGroups(folderName);
      const lost = [...controllers].filter((controller) => !again?.folders.has(controller));
      if (again === null || again.version !== version || lost.length > 0) {
        throw new SandboxRefusal(
          `The server's control group disappeared and cannot be recreated (${lost.join(", ")}); restart the server.`,
        );
      }
      server = again;
      return create(name, limits);
    },
    async removeLeftovers() {
      for (const parent of parentsOf(server)) {
        for (const entry of subgroups(parent)) {
          if (!entry.startsWith(PREFIX)) continue;
          const owner = ownerOf(entry.slice(PREFIX.length), dataDir);
          if (owner === null || isAlive(owner)) continue;
          const folder = join(parent, entry);
          for (const group of subgroups(folder)) await removeGroup(join(folder, group));
          await removeGroup(folder);
        }
      }
    },
    close() {
      for (const parent of parentsOf(server)) {
        try {
          rmdirSync(join(parent, folderName));
        } catch {
          // A run is still in it; the next start removes it.
        }
      }
    },
  };
}

/** The parent folder of run groups for each usable controller. */
interface ServerGroups {
  version: 1 | 2;
  folders: ReadonlyMap<Controller, string>;
}

/**
 * The share of all runs together in busy processors: a tenth of the default, which the server has. Niceness counts
 * within a group only.
 */
const CPU_SHARE = {
  1: { file: "cpu.shares", value: "102" },
  2: { file: "cpu.weight", value: "10" },
} as const;

/** Creates or finds the server's own groups; null if no groups can be created. */
function makeServerGroups(folderName: string): ServerGroups | null {
  const found = findHierarchies();
  if (found === null) return null;
  const { version, bases } = found;
  const folders = new Map<Controller, string>();
  for (const [controller, base] of bases) {
    const folder = join(base, folderName);
    try {
      makeGroup(folder);
      if (version === 2) enable(folder, [controller]);
      if (controller === "cpu") {
        const { file, value } = CPU_SHARE[version];
        writeFileSync(join(folder, file), value);
      }
      folders.set(controller, folder);
    } catch {
      // Not allowed to: this controller is not used.
    }
  }
  return folders.size === 0 ? null : { version, folders };
}

function parentsOf(groups: ServerGroups): Set<string> {
  return new Set([...groups.folders.values()].map(dirname));
}
