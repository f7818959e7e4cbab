/** Finds where this server may create control groups: below its own group, in either version. */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { type Controller, enable, isEnabled, makeGroup, readText, words } from "./cgroup-files.js";

/** For each available controller, the folder for new groups. */
export interface Hierarchies {
  version: 1 | 2;
  bases: Map<Controller, string>;
}

/** Returns null if no groups can be created. */
export function findHierarchies(): Hierarchies | null {
  const memberships = readFileSync("/proc/self/cgroup", "utf8")
    .trim()
    .split("\n")
    .map(parseMembership);
  const mounts = readMounts();
  const first = findVersion1(memberships, mounts);
  if (first.size > 0) return { version: 1, bases: first };
  const second = findVersion2(memberships, mounts);
  return second.size > 0 ? { version: 2, bases: second } : null;
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

/** Returns a group's folder in a mount that may show only a part of the hierarchy. */
function folderOf(mount: CgroupMount, path: string): string {
  const relative = posix.relative(mount.root, path);
  return relative.startsWith("..") ? mount.mountPoint : join(mount.mountPoint, relative);
}

function findVersion1(
  memberships: readonly Membership[],
  mounts: readonly CgroupMount[],
): Map<Controller, string> {
  const bases = new Map<Controller, string>();
  for (const controller of ["memory", "pids", "cpu", "cpuacct"] as const) {
    const mount = mounts.find((mount) => mount.version === 1 && mount.options.includes(controller));
    const membership = memberships.find((entry) => entry.controllers.includes(controller));
    if (mount && membership) bases.set(controller, folderOf(mount, membership.path));
  }
  return bases;
}

/**
 * Finds a group that may have children with limits: the server's own, if it holds no process or the
 * server can move into a leaf below it; otherwise the nearest writable ancestor, as below a user's
 * service manager.
 */
function findVersion2(
  memberships: readonly Membership[],
  mounts: readonly CgroupMount[],
): Map<Controller, string> {
  const mount = mounts.find((mount) => mount.version === 2);
  const membership = memberships.find((entry) => entry.controllers.length === 0);
  if (!mount || !membership) return new Map();
  const wanted: Controller[] = ["memory", "pids", "cpu"];
  let folder = folderOf(mount, membership.path);
  // In the leaf created by an earlier start of this process.
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
        return new Map(enabled.map((name) => [name, level]));
      }
    }
    if (level === mount.mountPoint) break;
  }
  return new Map();
}

const LEAF = "omoi-server";

function moveToLeaf(folder: string): void {
  try {
    const leaf = join(folder, LEAF);
    makeGroup(leaf);
    // This process and its children (the database); other processes keep the group occupied.
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

function isWritable(folder: string): boolean {
  const probe = join(folder, `omoi-probe-${process.pid}`);
  try {
    mkdirSync(probe);
    rmdirSync(probe);
    return true;
  } catch {
    return false;
  }
}
