/**
 * What `server/sandbox`, the only place that runs somebody's command, takes and gives. What the
 * machine can hold a command to is probed by using it, told in the report, and refused where it
 * cannot hold.
 */

import type { Readings } from "./limits/run-group.js";

/** What one run may use. */
export interface SandboxLimits {
  /** All its processes and private files in memory together. */
  memoryBytes: number;
  /** Processes and threads at one time. */
  processes: number;
  /** Processors' worth of time, such as 1.5; null: as much as there is. */
  cpus: number | null;
  /** What its workspace may hold in all, the repository's files included; null: as the disk allows. */
  diskBytes: number | null;
  /** Files and folders that its workspace may hold in all; null: as the disk allows. */
  diskFiles: number | null;
  /** Open files of one process; 65 536 by default. */
  openFiles?: number;
}

export interface SandboxInput {
  /** The run's id (a UUID). */
  id: string;
  /**
   * The workspace's absolute path. The command sees it, read-write, as `WORKSPACE` and starts in it; it
   * belongs to the run's uid already (`FolderDriver.giveTo`).
   */
  folder: string;
  /**
   * The user, and group, that the command runs as, as the machine numbers it; null: the report's. The
   * kernel counts descriptors in flight, inotify instances, pipes and the like for each.
   */
  uid: number | null;
  /** The program and its arguments; never a line for a shell. */
  command: readonly string[];
  /** Added to PATH, HOME, USER, LANG and the like, which the sandbox makes. */
  env: Readonly<Record<string, string>>;
  /** `none`: nothing but its own loopback; `full`: a network of its own, with a way to the outside. */
  network: "none" | "full";
  /** The one port of the machine's 127.0.0.1 that `full` reaches, at the run's own. */
  callbackPort?: number | undefined;
  limits: SandboxLimits;
  /**
   * Called with each piece of output in order. While it has not resolved, nothing more is read, and
   * a command that writes on waits. Where it rejects the command is killed and `done` rejects.
   */
  onOutput(stream: "stdout" | "stderr", chunk: Buffer): void | Promise<void>;
}

export interface SandboxExit {
  /** As a shell tells it: 128 and the signal's number for a command that a signal ended. */
  exitCode: number | null;
  /** The signal that the exit code tells of. */
  signal: string | null;
  /**
   * `memory`, `processes`, `disk` and `files`: it failed after that limit was reached. `start_failed`: there is no
   * such program, or the sandbox could not be made.
   */
  reason: "exited" | "stopped" | "memory" | "processes" | "disk" | "files" | "start_failed";
  /** One sentence for a person; null where there is nothing to add to the reason. */
  detail: string | null;
  /** Seconds of processor time of all its processes; null where nothing counts them. */
  cpuSeconds: number | null;
  peakMemoryBytes: number | null;
  /** How many times it was made to wait for its share of the processors; null where nothing counts. */
  throttled: number | null;
}

export interface SandboxedProcess {
  /** Of the process whose end ends all others of the run, as the machine numbers it. */
  readonly pid: number;
  /** TERM to every process of the run and, where one is left after `graceMs`, KILL to all. */
  stop(graceMs: number): void;
  /** What was counted so far; null where nothing counts, and once it has ended. */
  readings(): Readings | null;
  /** Settles when no process is left and all output was taken. */
  readonly done: Promise<SandboxExit>;
}

export type LimitName = "memory" | "processes" | "cpu" | "output" | "disk";

export interface LimitReport {
  enforced: boolean;
  /** What holds it, such as "control groups, version 2"; null where nothing does. */
  by: string | null;
}

/** What holds on this machine. */
export interface SandboxReport {
  /** `off`: commands run without a sandbox; `unavailable`: commands are refused. */
  mode: "bubblewrap" | "gvisor" | "off" | "unavailable";
  /** Why there is no sandbox, or what of it is missing; one sentence. */
  reason: string | null;
  /** The command that installs what is missing. */
  install: string | null;
  /** The user, and group, of runs that name none, as the machine numbers it. */
  uid: number | null;
  /** Whether system calls are filtered. */
  seccomp: boolean;
  /** Whether a run without network has none. */
  network: boolean;
  /** Whether a run with network has one of its own; if not, why, and what installs what is missing. */
  fullNetwork: { isolated: boolean; reason: string | null; install: string | null };
  limits: Record<LimitName, LimitReport>;
}

/** A run that was not started: the machine cannot hold it to what was asked. Nothing was left behind. */
export class SandboxRefusal extends Error {
  override readonly name = "SandboxRefusal";

  /** The command that installs what is missing. */
  readonly install: string | null;

  constructor(message: string, install: string | null = null) {
    super(message);
    this.install = install;
  }
}

export interface Sandbox {
  readonly report: SandboxReport;
  /** @throws SandboxRefusal with one sentence for a person. */
  start(input: SandboxInput): Promise<SandboxedProcess>;
  /** Ends and removes what servers that are gone left: processes and control groups. */
  cleanUp(): Promise<void>;
  /** Kills what still runs and frees what was opened. */
  close(): Promise<void>;
}

export interface SandboxSettings {
  dataDir: string;
  sandbox: "required" | "gvisor" | "off";
  agentUid: number;
  /** Whom the programs run as that keep up the networks of runs, where the server is root. */
  networkUid: number;
  sandboxReadOnly: readonly string[];
}

/** Whether a report's mode is that of a sandbox which this server makes itself. */
export function isOwnSandbox(mode: string): boolean {
  return mode === "bubblewrap" || mode === "gvisor";
}

/** Where a sandboxed command finds its workspace. */
export const WORKSPACE = "/workspace";

/** A way to run commands, before it is known what of it works here. */
export interface Runner {
  mode: "bubblewrap" | "gvisor" | "off";
  uid: number;
  seccomp: boolean;
  start(input: SandboxInput): Promise<SandboxedProcess>;
}

/** What keeps commands from being run at all. */
export interface Missing {
  missing: string;
  install: string | null;
}
