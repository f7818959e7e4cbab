/**
 * The only place that runs somebody's command. What a machine can hold a command to is probed by
 * using it, told in the report, and refused where it cannot hold.
 */
import { openControlGroups } from "./cgroups.js";
import { openBubblewrap } from "./bubblewrap.js";
import { openUnconfined } from "./unconfined.js";
import { endLeftovers } from "./leftovers.js";
import { probe } from "./probe.js";
import { readProcess } from "./processes.js";

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
  /** Open files of one process; 65 536 by default. */
  openFiles?: number;
}

export interface SandboxInput {
  /** The run's id (a UUID). */
  id: string;
  /** The workspace's absolute path. The command sees it, read-write, as `WORKSPACE` and starts in it. */
  folder: string;
  /** The program and its arguments; never a line for a shell. */
  command: readonly string[];
  /** Added to PATH, HOME, USER, LANG and the like, which the sandbox makes. */
  env: Readonly<Record<string, string>>;
  /** `none`: not even loopback of the machine; `full`: the machine's own network. */
  network: "none" | "full";
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
   * `memory`, `processes` and `disk`: it failed after that limit was reached. `start_failed`: there is no
   * such program, or the sandbox could not be made.
   */
  reason: "exited" | "stopped" | "memory" | "processes" | "disk" | "start_failed";
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
  mode: "bubblewrap" | "off" | "unavailable";
  /** Why there is no sandbox, or what of it is missing; one sentence. */
  reason: string | null;
  /** The command that installs what is missing. */
  install: string | null;
  /** The user that commands run as, as the machine numbers it. */
  uid: number | null;
  /** Whether system calls are filtered. */
  seccomp: boolean;
  /** Whether a run without network has none. */
  network: boolean;
  limits: Record<LimitName, LimitReport>;
}

/** A run that was not started: the machine cannot hold it to what was asked. Nothing was left behind. */
export class SandboxRefusal extends Error {
  override readonly name = "SandboxRefusal";
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
  sandbox: "required" | "off";
  agentUid: number;
  sandboxReadOnly: readonly string[];
}

/** Where a sandboxed command finds its workspace. */
export const WORKSPACE = "/workspace";

/** Starts one command; what `openBubblewrap` and `openUnconfined` give. */
export type Start = (input: SandboxInput) => Promise<SandboxedProcess>;

/** Looks at what this machine offers, tries it, and opens it. Takes less than a second. */
export async function openSandbox(settings: SandboxSettings): Promise<Sandbox> {
  const self = readProcess(process.pid);
  if (self === null) return unavailable("Commands can be run on Linux alone", null);
  const groups = openControlGroups(self);
  const marker = `omoi-sandbox:${self.pid}:${self.startTime}`;
  const opened =
    settings.sandbox === "off"
      ? openUnconfined(settings, groups)
      : openBubblewrap(settings, groups, marker);
  if ("missing" in opened) {
    groups?.close();
    return unavailable(opened.missing, opened.install);
  }
  const report = await probe(settings, opened, groups);
  const running = new Set<SandboxedProcess>();
  return {
    report,
    async start(input) {
      assertInput(input);
      assertHolds(report, input.limits);
      const started = await opened.start(input);
      running.add(started);
      const forget = (): unknown => running.delete(started);
      started.done.then(forget, forget);
      return started;
    },
    async cleanUp() {
      endLeftovers(marker);
      await groups?.removeLeftovers();
    },
    async close() {
      for (const started of running) started.stop(0);
      await Promise.allSettled([...running].map((started) => started.done));
      groups?.close();
      opened.close();
    },
  };
}

function assertInput({ id, command, env, folder }: SandboxInput): void {
  if (!/^[\w-]{1,64}$/.test(id)) throw new TypeError("a run's id is a UUID");
  if (!folder.startsWith("/")) throw new TypeError("a workspace's path is absolute");
  if (command.length === 0 || command[0] === "") throw new SandboxRefusal("The command is empty.");
  if (command.some((word) => word.includes("\0"))) {
    throw new SandboxRefusal("A command may not hold NUL characters.");
  }
  for (const [name, value] of Object.entries(env)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || value.includes("\0")) {
      throw new SandboxRefusal(`The variable ${JSON.stringify(name)} cannot be set.`);
    }
  }
}

function assertHolds(report: SandboxReport, limits: SandboxLimits): void {
  if (report.mode === "unavailable") throw new SandboxRefusal(`${report.reason}.`);
  if (report.mode === "off") return;
  const asked: [LimitName, boolean][] = [
    ["memory", true],
    ["processes", true],
    ["cpu", limits.cpus !== null],
    ["disk", limits.diskBytes !== null],
  ];
  for (const [name, isAsked] of asked) {
    if (isAsked && !report.limits[name].enforced) {
      throw new SandboxRefusal(
        `This machine cannot hold the limit of ${name}; ask its operator, or run the command without that limit.`,
      );
    }
  }
}

function unavailable(reason: string, install: string | null): Sandbox {
  const none = { enforced: false, by: null };
  const report: SandboxReport = {
    mode: "unavailable",
    reason,
    install,
    uid: null,
    seccomp: false,
    network: false,
    limits: { memory: none, processes: none, cpu: none, output: none, disk: none },
  };
  return {
    report,
    start: async () => {
      throw new SandboxRefusal(`${reason}${install === null ? "" : `; install it: ${install}`}.`);
    },
    cleanUp: async () => undefined,
    close: async () => undefined,
  };
}
