/** Tracks a started command: its output, its end, and stopping it. */
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";
import type { Readings } from "../limits/run-group.js";
import type { SandboxedProcess, SandboxExit, SandboxInput } from "../sandbox.js";
import { monitorDisk } from "../limits/disk-monitor.js";
import type { ProcessMonitor } from "../limits/resource-monitor.js";
import { lastLine } from "../streams/last-line.js";

/** A running command, independent of how it was started. */
export interface StartedCommand {
  /** The process whose end ends the command. */
  pid: number;
  /** The workspace's absolute path as the command sees it. */
  workspace: string;
  /** Settles with the exit code; null if it could not be started. */
  ended: Promise<number | null>;
  /** Sends TERM to every process of the run. */
  terminate(): void;
  /** All processes of the run, by host pid. */
  pids(): number[];
  /** Kills every process of the run. */
  killAll(): void;
  /** Settles once no process is left. */
  gone(): Promise<void>;
  stdout: Readable;
  stderr: Readable;
  /** The standard input; null without one. */
  stdin: Writable | null;
  /** Resource usage so far, until `release`; null if nothing measures it. */
  readings(): Readings | null;
  /** Frees the run's resources once no process is left. */
  release(): Promise<void>;
  /** Starts a monitor if no control group enforces the limits. */
  watch: ((onOver: () => void) => ProcessMonitor) | null;
}

const DETAILS = {
  memory: "It used all the memory that a run may use.",
  processes: "It started more processes than a run may have.",
  disk: "Its workspace and home exceeded their disk limit.",
  files: "Its workspace and home exceeded their limit of files.",
} as const;

const KILL_AGAIN_MS = 100;
/** Maximum length of the beginning of the standard error that is searched for a cause. */
const MAX_CAUSE = 1000;

/** Collects a run's output, enforces monitored limits, stops it, and reports its end. */
export function trackProcess(input: SandboxInput, started: StartedCommand): SandboxedProcess {
  const { ended } = started;
  let isStopping = false;
  let over: keyof typeof DETAILS | null = null;
  let failure: Error | null = null;
  let firstError = "";

  const end = (limit: "memory" | "disk" | "files"): void => {
    over ??= limit;
    started.killAll();
  };
  const processes = started.watch?.(() => end("memory")) ?? null;
  const { diskBytes, diskFiles } = input.limits;
  const diskLimits = { bytes: diskBytes, files: diskFiles };
  const disk =
    diskBytes === null && diskFiles === null
      ? null
      : monitorDisk(
          // A command without a sandbox has no stored home.
          [input.folder, ...(input.home === null ? [] : [input.home])],
          diskLimits,
          () => started.pids(),
          (what) => end(what === "bytes" ? "disk" : "files"),
        );

  const pump = async (stream: "stdout" | "stderr"): Promise<void> => {
    const source = started[stream];
    try {
      for await (const chunk of source as AsyncIterable<Buffer>) {
        if (stream === "stderr" && firstError.length < MAX_CAUSE) {
          firstError = (firstError + chunk.toString("utf8")).slice(0, MAX_CAUSE);
        }
        if (failure === null) await input.onOutput(stream, chunk);
      }
    } catch (error) {
      failure ??= error instanceof Error ? error : new Error(String(error));
      started.killAll();
      source.destroy();
    }
  };
  const pumps = Promise.all([pump("stdout"), pump("stderr")]);

  const why = (exitCode: number | null): Pick<SandboxExit, "reason" | "detail"> => {
    const counted = started.readings();
    if (over !== null) return { reason: over, detail: DETAILS[over] };
    if (isStopping) return { reason: "stopped", detail: null };
    const problem = whyNotStarted(exitCode, firstError);
    if (problem !== null) return { reason: "start_failed", detail: problem };
    if (exitCode !== 0) {
      if ((counted?.oomKills ?? 0) > 0) return { reason: "memory", detail: DETAILS.memory };
      const refusedForks =
        (counted?.refusedForks ?? 0) > 0 ||
        (processes !== null && processes.seen.peakTasks >= processes.mostTasks);
      if (refusedForks) return { reason: "processes", detail: DETAILS.processes };
    }
    return { reason: "exited", detail: null };
  };

  const finish = async (): Promise<SandboxExit> => {
    const exitCode = await ended;
    await started.gone();
    await Promise.all([disk?.stop(), processes?.stop()]);
    const cause = why(exitCode);
    const counted = started.readings();
    await started.release();
    await pumps;
    if (failure !== null) throw failure;
    return {
      exitCode,
      signal: exitCode === null ? null : signalName(exitCode),
      ...cause,
      cpuSeconds: counted?.cpuSeconds ?? processes?.seen.cpuSeconds ?? null,
      peakMemoryBytes: counted?.peakMemoryBytes ?? processes?.seen.peakMemoryBytes ?? null,
      throttled: counted?.throttled ?? null,
    };
  };
  const done = finish();
  done.catch(() => undefined);

  // The command may close it at any time.
  started.stdin?.on("error", () => undefined);
  return {
    pid: started.pid,
    workspace: started.workspace,
    input: started.stdin,
    stop(graceMs) {
      const isFirst = !isStopping;
      isStopping = true;
      if (graceMs <= 0) started.killAll();
      if (graceMs <= 0 || !isFirst) return;
      started.terminate();
      let timer: NodeJS.Timeout;
      const kill = (): void => {
        try {
          started.killAll();
        } catch {
          // Without free descriptors, the processes cannot be listed now: retry.
          timer = setTimeout(kill, KILL_AGAIN_MS);
        }
      };
      timer = setTimeout(kill, graceMs);
      void ended.then(() => clearTimeout(timer));
    },
    readings: () => started.readings(),
    ended,
    done,
  };
}

/** Prefixes of the wrapping programs before "PROGRAM: CAUSE". */
const START_ERRORS = ["prlimit: failed to execute ", "bwrap: execvp "];

/**
 * Returns why the command's program was never started, from the messages of the wrapping programs;
 * null if it was. A command can fake this only for itself.
 */
function whyNotStarted(exitCode: number | null, said: string): string | null {
  if (![1, 126, 127, 128].includes(exitCode ?? -1)) return null;
  const [line = ""] = said.split("\n", 1);
  const prefix = START_ERRORS.find((start) => line.startsWith(start));
  const problem = prefix === undefined ? "" : line.slice(prefix.length);
  if (problem.indexOf(": ") > 0) return problem;
  return /^(bwrap|running container): /.test(said)
    ? `The sandbox could not be created: ${lastLine(said)}`
    : null;
}

/** Returns the signal in a shell's exit code. */
function signalName(exitCode: number): string | null {
  if (exitCode <= 128 || exitCode > 128 + 31) return null;
  const found = Object.entries(constants.signals).find(([, number]) => number === exitCode - 128);
  return found?.[0] ?? null;
}
