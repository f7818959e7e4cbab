/**
 * Control groups: what the kernel counts and limits a run's processes by. Version 2, or version 1
 * with each controller in a hierarchy of its own; always below the server's own group, so that what
 * the machine grants to the server bounds its runs, too.
 */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { dirname, join, posix } from "node:path";
import { isAlive, ownerOf } from "./processes.js";

export type Controller = "memory" | "pids" | "cpu" | "cpuacct";

export interface GroupLimits {
  memoryBytes: number;
  processes: number;
  cpus: number | null;
}

/** What happened in a run so far; null where it cannot be told. */
export interface Readings {
  oomKills: number;
  refusedForks: number;
  throttled: number | null;
  cpuSeconds: number | null;
  peakMemoryBytes: number | null;
}

/** The group of one run. */
export interface RunGroup {
  /** Moves a process into it; what it forks from then on is born in it. */
  add(pid: number): Promise<void>;
  /** All processes in it, as this process numbers them. */
  pids(): number[];
  readings(): Readings;
  /** Removes it once its last process is gone; kills what is still in it. */
  remove(): Promise<void>;
}

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
  const memberships = readFileSync("/proc/self/cgroup", "utf8")
    .trim()
    .split("\n")
    .map(parseMembership);
  const mounts = readMounts();
  const bases = new Map<Controller, string>();
  const version1 = openVersion1(memberships, mounts, bases);
  const version2 = version1 ? null : openVersion2(memberships, mounts, bases);
  if (!version1 && version2 === null) return null;
  const version = version1 ? 1 : 2;
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

interface Membership {
  controllers: string[];
  path: string;
}

interface CgroupMount {
  version: 1 | 2;
  root: string;
  mountPoint: string;
  options: string[];
}

function parseMembership(line: string): Membership {
  const [, controllers = "", ...path] = line.split(":");
  return { controllers: controllers.split(",").filter(Boolean), path: path.join(":") };
}

/** The mounted hierarchies (proc(5), mountinfo). */
function readMounts(): CgroupMount[] {
  const mounts: CgroupMount[] = [];
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    const [left = "", right = ""] = line.split(" - ");
    const [type, , options = ""] = right.split(" ");
    if (type !== "cgroup" && type !== "cgroup2") continue;
    const [, , , root = "/", mountPoint = ""] = left.split(" ");
    mounts.push({
      version: type === "cgroup" ? 1 : 2,
      root,
      mountPoint,
      options: options.split(","),
    });
  }
  return mounts;
}

/** Where a group's folder is in a mount that may show only a part of the hierarchy. */
function folderOf(mount: CgroupMount, path: string): string {
  const relative = posix.relative(mount.root, path);
  return relative.startsWith("..") ? mount.mountPoint : join(mount.mountPoint, relative);
}

function openVersion1(
  memberships: readonly Membership[],
  mounts: readonly CgroupMount[],
  bases: Map<Controller, string>,
): boolean {
  for (const controller of ["memory", "pids", "cpu", "cpuacct"] as const) {
    const mount = mounts.find((mount) => mount.version === 1 && mount.options.includes(controller));
    const membership = memberships.find((entry) => entry.controllers.includes(controller));
    if (mount && membership) bases.set(controller, folderOf(mount, membership.path));
  }
  return bases.size > 0;
}

/**
 * A group that may have children with limits: the server's own, where it holds no process or the
 * server can move out of it into a leaf; else the nearest one above that may be written, as below
 * a user's service manager.
 */
function openVersion2(
  memberships: readonly Membership[],
  mounts: readonly CgroupMount[],
  bases: Map<Controller, string>,
): true | null {
  const mount = mounts.find((mount) => mount.version === 2);
  const membership = memberships.find((entry) => entry.controllers.length === 0);
  if (!mount || !membership) return null;
  const wanted: Controller[] = ["memory", "pids", "cpu"];
  let folder = folderOf(mount, membership.path);
  // In the leaf that an earlier start of this process moved to.
  if (posix.basename(folder) === LEAF) folder = dirname(folder);
  for (let level = folder; level.startsWith(mount.mountPoint); level = dirname(level)) {
    const offered = words(join(level, "cgroup.controllers"));
    const usable = wanted.filter((name) => offered.includes(name));
    if (usable.length > 0) {
      enable(level, usable);
      if (level === folder && !isEnabled(level, usable)) {
        moveToLeaf(level);
        enable(level, usable);
      }
      const enabled = usable.filter((name) => isEnabled(level, [name]));
      if (enabled.length > 0 && isWritable(level)) {
        for (const name of enabled) bases.set(name, level);
        return true;
      }
    }
    if (level === mount.mountPoint) break;
  }
  return null;
}

const LEAF = "omoi-server";

function moveToLeaf(folder: string): void {
  try {
    const leaf = join(folder, LEAF);
    makeGroup(leaf);
    // Itself and what it started before (its database); a stranger in the group keeps it as it is.
    for (const pid of words(join(folder, "cgroup.procs"))) {
      if (pid === String(process.pid) || parentOf(pid) === String(process.pid)) {
        writeFileSync(join(leaf, "cgroup.procs"), pid);
      }
    }
  } catch {
    // Not allowed to: the caller sees that nothing could be enabled.
  }
}

function parentOf(pid: string): string | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
}

function enable(folder: string, controllers: readonly string[]): void {
  for (const name of controllers) {
    try {
      writeFileSync(join(folder, "cgroup.subtree_control"), `+${name}`);
    } catch {
      // Seen by isEnabled.
    }
  }
}

function isEnabled(folder: string, controllers: readonly string[]): boolean {
  const enabled = words(join(folder, "cgroup.subtree_control"));
  return controllers.every((name) => enabled.includes(name));
}

function isWritable(folder: string): boolean {
  const probe = join(folder, `${PREFIX}probe-${process.pid}`);
  try {
    mkdirSync(probe);
    rmdirSync(probe);
    return true;
  } catch {
    return false;
  }
}

function openRunGroup(
  version: 1 | 2,
  groups: ReadonlyMap<Controller, string>,
  limits: GroupLimits,
): RunGroup {
  const folders = [...new Set(groups.values())];
  const at = (controller: Controller, file: string): string | null => {
    const folder = groups.get(controller);
    return folder === undefined ? null : join(folder, file);
  };
  const set = (controller: Controller, file: string, value: number | string): void => {
    const path = at(controller, file);
    if (path !== null) writeFileSync(path, String(value));
  };
  const number = (controller: Controller, file: string, key?: string): number | null => {
    const path = at(controller, file);
    const text = path === null ? null : readText(path);
    if (text === null) return null;
    if (key === undefined) return Number(text);
    const line = text.split("\n").find((line) => line.startsWith(`${key} `));
    return line === undefined ? null : Number(line.slice(key.length + 1));
  };

  for (const folder of folders) makeGroup(folder);
  const period = 100_000;
  if (version === 1) {
    set("memory", "memory.limit_in_bytes", limits.memoryBytes);
    // Memory and swap together; not every kernel counts swap.
    try {
      set("memory", "memory.memsw.limit_in_bytes", limits.memoryBytes);
    } catch {
      // Without the file there is no swap to limit, or the kernel does not count it.
    }
    if (limits.cpus !== null) {
      set("cpu", "cpu.cfs_period_us", period);
      set("cpu", "cpu.cfs_quota_us", Math.max(1000, Math.round(limits.cpus * period)));
    }
  } else {
    set("memory", "memory.max", limits.memoryBytes);
    try {
      set("memory", "memory.swap.max", 0);
    } catch {
      // No swap in this kernel.
    }
    if (limits.cpus !== null) {
      set("cpu", "cpu.max", `${Math.max(1000, Math.round(limits.cpus * period))} ${period}`);
    }
  }
  set("pids", "pids.max", limits.processes);

  return {
    async add(pid) {
      // Each may keep its writer waiting for some milliseconds.
      const files = folders.map((folder) => join(folder, "cgroup.procs"));
      await Promise.all(files.map((file) => writeFile(file, String(pid))));
    },
    pids: () => words(join(folders[0] as string, "cgroup.procs")).map(Number),
    readings() {
      const nanoseconds = version === 1 ? number("cpuacct", "cpuacct.usage") : null;
      const microseconds = version === 2 ? number("cpu", "cpu.stat", "usage_usec") : null;
      return {
        oomKills:
          (version === 1
            ? number("memory", "memory.oom_control", "oom_kill")
            : number("memory", "memory.events", "oom_kill")) ?? 0,
        refusedForks: number("pids", "pids.events", "max") ?? 0,
        throttled: number("cpu", "cpu.stat", "nr_throttled") ?? 0,
        cpuSeconds:
          nanoseconds !== null
            ? nanoseconds / 1e9
            : microseconds !== null
              ? microseconds / 1e6
              : null,
        peakMemoryBytes: number(
          "memory",
          version === 1 ? "memory.max_usage_in_bytes" : "memory.peak",
        ),
      };
    },
    async remove() {
      for (const folder of folders) await removeGroup(folder);
    },
  };
}

function makeGroup(folder: string): void {
  try {
    mkdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** Kills what is in a group until it is empty, and removes it; gives up after five seconds. */
async function removeGroup(folder: string): Promise<void> {
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

function subgroups(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}

function words(path: string): string[] {
  return (readText(path) ?? "").split(/\s+/).filter(Boolean);
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
