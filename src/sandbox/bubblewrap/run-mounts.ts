/**
 * Mounts made before bubblewrap starts, because bubblewrap cannot limit them: in-memory folders
 * with a maximum number of files, and terminals with a maximum count.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readTool } from "../launch.js";
import { findProgram, installCommand } from "../programs.js";
import { HOME, type MissingProgram, type ReadOnlyFolder, type SandboxInput } from "../sandbox.js";
import type { MemoryFolder } from "../limits/resource-monitor.js";

/** How bubblewrap is started for one run, and what it binds. */
export interface RunMounts {
  /** The command line that mounts everything, drops root and runs the words appended to it. */
  argv: string[];
  /** The workspace's path as seen by bubblewrap. */
  source: string;
  /** The read-only folders as seen by bubblewrap. */
  readOnly: readonly ReadOnlyFolder[];
  /** bubblewrap arguments for the in-memory folders, the home and the terminals. */
  args: string[];
  /** Call it once bubblewrap has started or failed. */
  close(): void;
}

type Folder = MemoryFolder & { mode: string };

/**
 * Returns the in-memory folders, each with its share of the run's memory, less than all of it
 * together. The home is one of them unless it is stored.
 */
export function memoryFolders({ limits, home }: Pick<SandboxInput, "limits" | "home">): Folder[] {
  const share = (part: number): number =>
    4096 * Math.max(16, Math.floor((limits.memoryBytes * part) / 4096));
  return [
    { path: "/tmp", mode: "1777", size: share(1 / 2) },
    { path: "/dev/shm", mode: "1777", size: share(1 / 8) },
    { path: "/run", mode: "0755", size: share(1 / 16) },
    ...(home === null ? [{ path: HOME, mode: "0700", size: share(1 / 4) }] : []),
  ];
}

/**
 * Mount points in the run's mount namespace, from which bubblewrap binds: the data folder belongs
 * to root, and unprivileged bubblewrap could not reach into it. They exist on every machine, and no
 * sandbox shows them. A stored home takes the point of the one in memory.
 */
const POINTS = {
  workspace: "/sys/block",
  terminals: "/sys/kernel",
  memory: ["/sys/bus", "/sys/class", "/sys/dev", "/sys/devices"],
  home: "/sys/devices",
  readOnly: ["/sys/fs", "/sys/module"],
} as const;

/** Terminals per run. The kernel allows 3072 for all sandboxes together (`kernel.pty.max`). */
const TERMINALS = 64;

/** Limits of a run that shares the server's uid: a quarter of the kernel's defaults per uid. */
const SHARED_UID_LIMITS = { max_inotify_instances: 32, max_inotify_watches: 16_384 };

/** Finds the programs. */
export function findMounter(
  folder: string,
):
  | ((input: SandboxInput, uid: number, inMemory: readonly Folder[]) => Promise<RunMounts>)
  | MissingProgram {
  const isRoot = process.getuid?.() === 0;
  const found = new Map<string, string>();
  for (const name of ["unshare", "sh", "mount", ...(isRoot ? ["setpriv"] : [])]) {
    const path = findProgram(name);
    if (path === null) {
      return {
        missing: `Agent commands need a sandbox, and the program ${name} is not installed`,
        install: installCommand("util-linux"),
      };
    }
    found.set(name, path);
  }
  const program = (name: string): string => found.get(name) as string;
  // Private propagation: runs must not keep mounts alive that the server removes.
  const namespace = [
    [program("unshare"), ...(isRoot ? [] : ["--user", "--map-root-user"])],
    ["--mount", "--propagation", "slave", "--", program("sh"), "-c"],
  ].flat();
  const limits = Object.entries(isRoot ? {} : SHARED_UID_LIMITS).map(
    ([name, value]) => `echo ${value} > /proc/sys/user/${name};`,
  );
  // bubblewrap ends with its parent only if the parent is alive when bubblewrap starts.
  const isOwned = `read -r _ _ _ parent _ < "/proc/$$/stat" && [ "$parent" = ${process.pid} ]`;
  const script = `${limits.join(" ")} ${program("mount")} -a -T "$1" && shift && ${isOwned} && exec "$@"`;
  const dropRights = (uid: number): string[] =>
    [
      [program("setpriv"), `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"],
      ["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"],
    ].flat();
  let works: Promise<boolean> | null = null;
  return async (input, uid, inMemory) => {
    // A machine may allow user namespaces to bubblewrap only (AppArmor).
    const attempt = [...namespace, `${program("mount")} -t tmpfs tmpfs ${POINTS.memory[0]}`];
    works ??= readTool(attempt).then(({ exitCode }) => exitCode === 0);
    if (!isRoot && !(await works)) return mountedByBubblewrap(input, inMemory);
    const table = join(folder, `mounts-${input.id}`);
    // Root of the namespace created by the server's user is that user.
    writeFileSync(table, mountTable(input, isRoot ? uid : 0, inMemory), { mode: 0o600 });
    return {
      argv: [...namespace, script, "sh", table, ...(isRoot ? dropRights(uid) : [])],
      source: POINTS.workspace,
      readOnly: (input.readOnly ?? []).map(({ path }, index) => ({
        source: POINTS.readOnly[index] as string,
        path,
      })),
      args: [
        ...inMemory.flatMap(({ path }, index) => ["--bind", POINTS.memory[index] as string, path]),
        ...(input.home === null ? [] : ["--bind", POINTS.home, HOME]),
        "--dev-bind",
        POINTS.terminals,
        "/dev/pts",
      ],
      close: () => rmSync(table, { force: true }),
    };
  };
}

/** Without limits on files and terminals. */
function mountedByBubblewrap(
  { folder, home, readOnly = [] }: SandboxInput,
  inMemory: readonly Folder[],
): RunMounts {
  const args = inMemory.flatMap(({ path, mode, size }) => {
    return ["--perms", mode, "--size", String(size), "--tmpfs", path];
  });
  if (home !== null) args.push("--bind", home, HOME);
  return { argv: [], source: folder, readOnly, args, close: () => undefined };
}

/** Formats all mounts as lines of fstab(5). */
function mountTable(
  { folder, home, readOnly = [], limits }: SandboxInput,
  uid: number,
  inMemory: readonly Folder[],
): string {
  const escaped = (path: string): string =>
    path.replaceAll(
      /[\s\\#]/g,
      (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`,
    );
  const lines = inMemory.map(({ size, mode }, index) => {
    // At most one file per page.
    const files = Math.min(size / 4096, limits.diskFiles ?? Infinity);
    const options = `nosuid,nodev,size=${size},nr_inodes=${files},mode=${mode},uid=${uid},gid=${uid}`;
    return `tmpfs ${POINTS.memory[index]} tmpfs ${options} 0 0`;
  });
  const terminals = `newinstance,ptmxmode=0666,mode=0620,max=${TERMINALS},nosuid,noexec`;
  return [
    `${escaped(folder)} ${POINTS.workspace} none bind 0 0`,
    ...lines,
    ...readOnly.map(
      ({ source }, index) => `${escaped(source)} ${POINTS.readOnly[index]} none bind,ro 0 0`,
    ),
    ...(home === null ? [] : [`${escaped(home)} ${POINTS.home} none bind 0 0`]),
    `devpts ${POINTS.terminals} devpts ${terminals} 0 0`,
    "",
  ].join("\n");
}
