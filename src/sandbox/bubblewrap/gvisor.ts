/**
 * A kernel between the command and the host: gVisor's runsc, started inside a bubblewrap sandbox. A
 * command that escapes from gVisor is still in that sandbox, as the run's user.
 */
import { readdirSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { GVISOR } from "./bubblewrap-args.js";
import { readTool } from "../launch.js";
import type { ProcessRecord } from "../processes.js";
import { findProgram, installCommand } from "../programs.js";
import { readTextOrEmpty } from "../network/resolver.js";
import type { GroupLimits } from "../limits/run-group.js";
import {
  HOME,
  WORKSPACE,
  type MissingProgram,
  type SandboxInput,
  type SandboxLimits,
} from "../sandbox.js";
import type { MeasureMemory, MemoryFolder } from "../limits/resource-monitor.js";

export interface Gvisor {
  /** The command line of runsc. */
  argv(input: SandboxInput): string[];
  /**
   * Returns the OCI bundle's config.json.
   * @param uid user id inside, also used as the group id
   * @param environment the command's whole environment
   */
  configuration(
    input: SandboxInput,
    inside: { uid: number; environment: Record<string, string>; inMemory: readonly MemoryFolder[] },
  ): string;
  /** Adds the needs of gVisor's own processes to a run's limits. */
  groupLimits(limits: SandboxLimits): GroupLimits;
  /**
   * Sends TERM to every process of a run.
   * @param init the first process of the sandbox around runsc
   * @param uid the run's user
   */
  terminate(init: number, uid: number): void;
  /** Returns a function that measures the memory of one run. */
  measureMemory(): MeasureMemory;
}

/** The needs of gVisor's own processes, measured and rounded up. */
const OWN_BYTES = 64 << 20;
const OWN_TASKS = 128;
/** Host tasks per process of a command: its address space, its thread, and one of gVisor. */
const TASKS_PER_PROCESS = 3;

/**
 * The first process of the sandbox. It reaps orphans and ignores TERM; env(1) restores the default
 * handling of TERM for the command, and of INT and QUIT, which a shell ignores in background
 * processes. The command gets the standard input, which a shell keeps from background processes, too.
 * Arguments: the path of env(1), and the command.
 */
const INIT = `
trap "" TERM; env=$1; shift
exec 3<&0 < /dev/null
"$env" --default-signal=INT,QUIT,TERM -- "$@" <&3 3<&- &
exec 3<&-
wait $! 2>/dev/null`;

/** The container's name; each run has its own runsc. */
const CONTAINER = "omoi";

/** Finds the programs; the probe checks whether they work. */
export function findGvisor(): Gvisor | MissingProgram {
  const isRoot = process.getuid?.() === 0;
  const found = new Map<string, string>();
  for (const [name, packageName] of PROGRAMS) {
    const path = findProgram(name);
    if (path === null) {
      return {
        missing: `OMOI_SANDBOX=gvisor needs the program ${name}, which is not installed`,
        install: installCommand(packageName),
      };
    }
    found.set(name, path);
  }
  const program = (name: string): string => found.get(name) as string;
  return {
    argv: ({ network }) =>
      [
        [program("runsc"), "--root", GVISOR.state, "--ignore-cgroups", "--overlay2=none"],
        // `host` refers to the sandbox's network namespace, not the machine's.
        `--network=${network === "none" ? "none" : "host"}`,
        ["run", "--bundle", GVISOR.bundle, CONTAINER],
      ].flat(),
    configuration({ command, home, limits, network }, { uid, environment, inMemory }) {
      // The host user is root in runsc's user namespace, which has no other users.
      const asUser = ["--user", `--map-user=${uid}`, `--map-group=${uid}`, "--"];
      const init = [program("sh"), "-c", INIT, "init", program("env")];
      const stored = home === null ? [WORKSPACE] : [WORKSPACE, HOME];
      const folders = [...stored, ...inMemory.map(({ path }) => path)];
      return JSON.stringify({
        ociVersion: "1.0.2",
        hostname: "omoi",
        root: { path: GVISOR.root, readonly: true },
        process: {
          user: { uid: 0, gid: 0 },
          args: [
            [program("unshare"), ...asUser, ...init],
            // Reports a missing program like a run without gVisor.
            [program("prlimit"), "--core=0", "--", ...command],
          ].flat(),
          rlimits: resourceLimits(limits),
          env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
          cwd: WORKSPACE,
          capabilities: {},
          noNewPrivileges: true,
        },
        mounts: [
          { destination: "/proc", type: "proc", source: "proc" },
          ...folders.map((path) => ({
            destination: path,
            type: "bind",
            source: GVISOR.root + path,
            options: ["rbind", "rw", "nosuid", "nodev"],
          })),
        ],
        linux: {
          namespaces: [
            "pid",
            "mount",
            "ipc",
            "uts",
            ...(network === "none" ? ["network"] : []),
          ].map((type) => ({ type })),
        },
      });
    },
    groupLimits: ({ memoryBytes, processes, cpus }) => ({
      memoryBytes: memoryBytes + OWN_BYTES,
      processes: processes * TASKS_PER_PROCESS + OWN_TASKS,
      cpus,
    }),
    terminate(init, uid) {
      const asUser = [`--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--"];
      const inside = ["--user", "--mount", "--pid", "--preserve-credentials", "--"];
      const argv = [
        isRoot ? [program("setpriv"), ...asUser] : [],
        [program("nsenter"), `--target=${init}`, ...inside],
        [program("runsc"), "--root", GVISOR.state, "kill", "--all", CONTAINER, "TERM"],
      ].flat();
      // Processes that it does not reach are killed after the grace period.
      void readTool(argv);
    },
    measureMemory() {
      let file: string | null = null;
      return (members) => {
        file ??= findMemory(members);
        return anonymousBytes(members) + (file === null ? 0 : allocatedBytes(file));
      };
    },
  };
}

/**
 * gVisor keeps a command's memory in one file. Host processes map only recently touched pages of
 * it, so their mappings understate it.
 */
function findMemory(members: readonly ProcessRecord[]): string | null {
  for (const { pid } of members) {
    const folder = `/proc/${pid}/fd`;
    try {
      const found = readdirSync(folder)
        .map((name) => join(folder, name))
        .find((path) => readlinkSync(path).startsWith("/memfd:runsc-memory"));
      if (found !== undefined) return found;
    } catch {
      // It has ended, or a descriptor was closed; the next look finds it.
    }
  }
  return null;
}

function allocatedBytes(path: string): number {
  return (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
}

/** Memory of processes that is not in files (statm in proc(5)). */
function anonymousBytes(members: readonly ProcessRecord[]): number {
  return members.reduce((sum, { pid }) => {
    const [, resident = 0, shared = 0] = readTextOrEmpty(`/proc/${pid}/statm`)
      .split(" ")
      .map(Number);
    return sum + (resident - shared) * 4096;
  }, 0);
}

const PROGRAMS = [
  ["runsc", "runsc"],
  ["unshare", "util-linux"],
  ["prlimit", "util-linux"],
  ["nsenter", "util-linux"],
  ["setpriv", "util-linux"],
  ["sh", "dash"],
  ["env", "coreutils"],
] as const;

/** Limits enforced by gVisor: per process, and the number of processes. */
function resourceLimits({ openFiles = 65_536, diskBytes, processes }: SandboxLimits): object[] {
  const limits = {
    RLIMIT_NOFILE: openFiles,
    ...(diskBytes === null ? {} : { RLIMIT_FSIZE: diskBytes }),
    // The shell that starts the command counts, too.
    RLIMIT_NPROC: processes + 1,
  };
  return Object.entries(limits).map(([type, most]) => ({ type, hard: most, soft: most }));
}
