/**
 * A kernel between a command and the machine's: gVisor's runsc, started in the sandbox that bubblewrap
 * makes. A command that escapes from gVisor is still in that sandbox, as the run's user.
 */
import { readdirSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { GVISOR } from "./bubblewrap-args.js";
import { readTool } from "../launch.js";
import type { ProcessRecord } from "../processes.js";
import { findProgram, installCommand } from "../programs.js";
import { readIfThere } from "./resolver.js";
import type { GroupLimits } from "../limits/run-group.js";
import { WORKSPACE, type Missing, type SandboxInput, type SandboxLimits } from "../sandbox.js";
import type { MeasureMemory, MemoryFolder } from "../limits/resource-monitor.js";

export interface Gvisor {
  /** The words that start it. */
  argv(input: SandboxInput): string[];
  /**
   * Its configuration, an OCI bundle's config.json.
   * @param uid of the user inside, and group
   * @param environment the command's whole environment
   */
  configuration(
    input: SandboxInput,
    inside: { uid: number; environment: Record<string, string>; inMemory: readonly MemoryFolder[] },
  ): string;
  /** Returns a run's limits with the share of gVisor's own processes added. */
  groupLimits(limits: SandboxLimits): GroupLimits;
  /**
   * Sends TERM to every process of a run.
   * @param init the first process of the sandbox that runsc was started in
   * @param uid the run's user
   */
  terminate(init: number, uid: number): void;
  /** Returns the function that measures the memory of one run. */
  measureMemory(): MeasureMemory;
}

/** The share of gVisor's own processes, measured and rounded up. */
const OWN_BYTES = 64 << 20;
const OWN_TASKS = 128;
/** Tasks of the machine for each process of a command: its address space, its thread, one of gVisor. */
const TASKS_PER_PROCESS = 3;

/**
 * The first process of the sandbox. It reaps orphans and ignores TERM; env(1) gives the command the default
 * handling of TERM back, and of INT and QUIT, which a shell ignores in background processes. Arguments: the
 * path of env(1), and the command.
 */
const INIT = `
trap "" TERM; env=$1; shift
"$env" --default-signal=INT,QUIT,TERM -- "$@" &
wait $! 2>/dev/null`;

/** The container's name for runsc; each run has a runsc of its own. */
const CONTAINER = "omoi";

/** Finds the programs; whether they work is for the probe to see. */
export function findGvisor(): Gvisor | Missing {
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
        // `host` means the sandbox's own network namespace, not the machine's.
        `--network=${network === "full" ? "host" : "none"}`,
        ["run", "--bundle", GVISOR.bundle, CONTAINER],
      ].flat(),
    configuration({ command, limits, network }, { uid, environment, inMemory }) {
      // What it owns on the machine is root's in runsc's user namespace, which has no other user.
      const asUser = ["--user", `--map-user=${uid}`, `--map-group=${uid}`, "--"];
      const init = [program("sh"), "-c", INIT, "init", program("env")];
      return JSON.stringify({
        ociVersion: "1.0.2",
        hostname: "omoi",
        root: { path: GVISOR.root, readonly: true },
        process: {
          user: { uid: 0, gid: 0 },
          args: [
            [program("unshare"), ...asUser, ...init],
            // It tells of a program that is not there as it does without gVisor.
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
          ...[WORKSPACE, ...inMemory.map(({ path }) => path)].map((path) => ({
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
            ...(network === "full" ? [] : ["network"]),
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
      // What it does not reach is killed when its time is over.
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
 * The memory of a command is one file of gVisor, of which the machine's processes map what they touched
 * last: what they map says too little.
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

/** What processes hold that is in no file (statm of proc(5)). */
function anonymousBytes(members: readonly ProcessRecord[]): number {
  return members.reduce((sum, { pid }) => {
    const [, resident = 0, shared = 0] = readIfThere(`/proc/${pid}/statm`).split(" ").map(Number);
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

/** What gVisor holds each process to, and the sum of processes. */
function resourceLimits({ openFiles = 65_536, diskBytes, processes }: SandboxLimits): object[] {
  const limits = {
    RLIMIT_NOFILE: openFiles,
    ...(diskBytes === null ? {} : { RLIMIT_FSIZE: diskBytes }),
    // The shell that started the command counts, too.
    RLIMIT_NPROC: processes + 1,
  };
  return Object.entries(limits).map(([type, most]) => ({ type, hard: most, soft: most }));
}
