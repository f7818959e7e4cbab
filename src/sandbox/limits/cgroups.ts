/**
 * Control groups: what the kernel counts and limits a run's processes by. Version 2, or version 1
 * with each controller in a hierarchy of its own; always below the server's own group, so that what
 * the machine grants to the server bounds its runs, too.
 */
import { rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Controller, enable, makeGroup, removeGroup, subgroups } from "./cgroup-files.js";
import { findHierarchies } from "./cgroup-hierarchies.js";
import { isAlive, ownerOf } from "../processes.js";
import { type GroupLimits, openRunGroup, type RunGroup } from "./run-group.js";
import { SandboxRefusal } from "../sandbox.js";

export interface ControlGroups {
  readonly version: 1 | 2;
  /** Which limits they can hold. */
  readonly controllers: ReadonlySet<Controller>;
  /**
   * Makes a run's group, and first the server's own where it disappeared.
   * @throws SandboxRefusal where that cannot be made again
   */
  create(name: string, limits: GroupLimits): RunGroup;
  /** Kills and removes the groups of servers of this data folder that are gone. */
  removeLeftovers(): Promise<void>;
  /** Removes this server's own, empty, folder of groups. */
  close(): void;
}

const PREFIX = "omoi-";

/**
 * Opens the groups below the server's own; null where none may be made.
 * @param name of this opening (`nameFor`)
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
      // Another program removed the server's empty group, or moved the server to another group.
      const again = makeServerGroups(folderName);
      const lost = [...controllers].filter((controller) => !again?.folders.has(controller));
      if (again === null || again.version !== version || lost.length > 0) {
        throw new SandboxRefusal(
          `The server's control group disappeared and cannot be created again (${lost.join(", ")}); restart the server.`,
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

/** The folder that holds the groups of this server's runs, for each controller that can be used. */
interface ServerGroups {
  version: 1 | 2;
  folders: ReadonlyMap<Controller, string>;
}

/** Makes the server's own groups, or finds them; null where none may be made. */
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
