/**
 * The interface of the sandbox, the only place that runs users' commands. Limits are probed,
 * reported, and refused if this machine cannot enforce them.
 */

import type { Writable } from "node:stream";
import type { Readings } from "./limits/run-group.js";

/** The limits of one run. */
export interface SandboxLimits {
  /** Total bytes of all processes and private in-memory files. */
  memoryBytes: number;
  /** Maximum concurrent processes and threads. */
  processes: number;
  /** Processors, such as 1.5; null for no limit. */
  cpus: number | null;
  /**
   * Maximum bytes in the workspace, including the repository's files, and in the home; null for no
   * limit.
   */
  diskBytes: number | null;
  /** Maximum files and folders in the workspace and the home; null for no limit. */
  diskFiles: number | null;
  /** Open files per process; 65 536 by default. */
  openFiles?: number;
}

export interface SandboxInput {
  /** The run's id (a UUID). */
  id: string;
  /**
   * The workspace's absolute path, visible read-write to the command as `WORKSPACE`, its working
   * directory. It already belongs to the run's uid (`FolderDriver.giveTo`).
   */
  folder: string;
  /**
   * The absolute path of the home, visible read-write to the command as `HOME`, which already belongs to
   * the run's uid; null for an empty one in memory. A command without a sandbox does not get it.
   */
  home: string | null;
  /** Folders of the server that the command may read. A command without a sandbox does not get them. */
  readOnly?: readonly ReadOnlyFolder[] | undefined;
  /**
   * Host user and group id of the command; null for the report's. The kernel limits descriptors in
   * flight, inotify instances, pipes and more per user.
   */
  uid: number | null;
  /** The program and its arguments, not a shell command line. */
  command: readonly string[];
  /** Added to PATH, HOME, USER, LANG and others set by the sandbox. */
  env: Readonly<Record<string, string>>;
  /**
   * `none`: only its own loopback; `restricted`: only the server's `ports`; `full`: its own network with
   * access to the outside.
   */
  network: "none" | "restricted" | "full";
  /**
   * The only ports of the machine's 127.0.0.1 that are reachable, where `reachesPorts`: at the same ports
   * of the run's loopback.
   */
  ports?: readonly number[] | undefined;
  limits: SandboxLimits;
  /** Whether the command has a standard input to write to; otherwise it is empty. */
  hasInput?: boolean | undefined;
  /**
   * Called with each chunk of output in order. Reading pauses until it resolves, which blocks a
   * command that writes on. If it rejects, the command is killed and `done` rejects.
   */
  onOutput(stream: "stdout" | "stderr", chunk: Buffer): void | Promise<void>;
}

/** A folder of the server, and its absolute path inside. */
export interface ReadOnlyFolder {
  source: string;
  path: string;
}

/** Maximum number of read-only folders per sandbox. */
export const MAX_READ_ONLY = 2;

export interface SandboxExit {
  /** As in a shell: 128 plus the signal's number for a command ended by a signal. */
  exitCode: number | null;
  /** The signal in the exit code. */
  signal: string | null;
  /**
   * `memory`, `processes`, `disk` and `files`: it failed after reaching that limit. `start_failed`:
   * the program does not exist, or the sandbox could not be created. `container`: its container failed, as
   * the detail says.
   */
  reason:
    | "exited"
    | "stopped"
    | "memory"
    | "processes"
    | "disk"
    | "files"
    | "start_failed"
    | "container";
  /** A sentence for users; null if the reason says it all. */
  detail: string | null;
  /** Processor seconds of all its processes; null if not measured. */
  cpuSeconds: number | null;
  peakMemoryBytes: number | null;
  /** How often it was throttled; null if not measured. */
  throttled: number | null;
}

export interface SandboxedProcess {
  /** Host pid of the process whose end ends all others of the run. */
  readonly pid: number;
  /** The workspace's absolute path as the command sees it. */
  readonly workspace: string;
  /** Its standard input, if it was requested. Errors of writing to it are ignored: `done` tells the end. */
  readonly input: Writable | null;
  /** Sends TERM to every process of the run and, after `graceMs`, KILL to the remaining ones. */
  stop(graceMs: number): void;
  /** Usage so far; null if not measured, and after the end. */
  readings(): Readings | null;
  /** Settles when the command has ended; its output may still have to be consumed. */
  readonly ended: Promise<unknown>;
  /** Settles once no process is left and all output was consumed. */
  readonly done: Promise<SandboxExit>;
}

export type LimitName = "memory" | "processes" | "cpu" | "output" | "disk";

export interface LimitReport {
  enforced: boolean;
  /** The mechanism, such as "control groups, version 2"; null if it is not enforced. */
  by: string | null;
}

/** Whether a kind of network can be isolated. */
export interface NetworkSupport {
  isolated: boolean;
  /** Why not, without a full stop. */
  reason: string | null;
  /** The command that installs the missing part. */
  install: string | null;
}

/** The capabilities of this machine. */
export interface SandboxReport {
  /** `off`: commands run without a sandbox; `unavailable`: commands are refused. */
  mode: "bubblewrap" | "gvisor" | "off" | "unavailable";
  /** Why there is no sandbox, or which part is missing; one sentence. */
  reason: string | null;
  /** The command that installs the missing part. */
  install: string | null;
  /** Default host user and group id of runs. */
  uid: number | null;
  /** Whether system calls are filtered. */
  seccomp: boolean;
  /** Whether a run without network is cut off from it. */
  network: boolean;
  /** Whether a run with the network `full` gets a network of its own. */
  fullNetwork: NetworkSupport;
  /** Whether the network of a run can be restricted. */
  restrictedNetwork: NetworkSupport;
  limits: Record<LimitName, LimitReport>;
}

/** A run was refused: the machine cannot enforce its restrictions. Nothing was left behind. */
export class SandboxRefusal extends Error {
  override readonly name = "SandboxRefusal";

  /** The command that installs the missing part. */
  readonly install: string | null;

  constructor(message: string, install: string | null = null) {
    super(message);
    this.install = install;
  }
}

export interface Sandbox {
  readonly report: SandboxReport;
  /** @throws SandboxRefusal with a sentence for users */
  start(input: SandboxInput): Promise<SandboxedProcess>;
  /** Ends and removes processes and control groups of dead servers. */
  cleanUp(): Promise<void>;
  /** Kills running commands and frees all resources. */
  close(): Promise<void>;
}

export interface SandboxSettings {
  dataDir: string;
  sandbox: "required" | "gvisor" | "off";
  agentUid: number;
  /** The user of the network processes if the server is root. */
  networkUid: number;
  sandboxReadOnly: readonly string[];
}

/** Tells whether a report's mode is a sandbox made by this server itself. */
export function isOwnSandbox(mode: string): boolean {
  return mode === "bubblewrap" || mode === "gvisor";
}

/** Whether a command reaches the ports of its input (`SandboxInput.ports`) in a sandbox of this mode. */
export function reachesPorts(mode: string, network: SandboxInput["network"]): boolean {
  return mode !== "off" && network !== "none";
}

/** The workspace's path inside a sandbox. */
export const WORKSPACE = "/workspace";

/** The home's path inside a sandbox. */
export const HOME = "/home/agent";

/** A way to run commands, before probing. */
export interface Runner {
  mode: "bubblewrap" | "gvisor" | "off";
  uid: number;
  seccomp: boolean;
  start(input: SandboxInput): Promise<SandboxedProcess>;
}

/** Why commands cannot run at all. */
export interface MissingProgram {
  missing: string;
  install: string | null;
}

/** Returns the report of a sandbox that refuses every command. */
export function unavailableReport(
  reason: string,
  install: string | null,
): SandboxReport & { mode: "unavailable" } {
  const none = { enforced: false, by: null };
  return {
    mode: "unavailable",
    reason,
    install,
    uid: null,
    seccomp: false,
    network: false,
    fullNetwork: { isolated: false, reason, install },
    restrictedNetwork: { isolated: false, reason, install },
    limits: { memory: none, processes: none, cpu: none, output: none, disk: none },
  };
}
