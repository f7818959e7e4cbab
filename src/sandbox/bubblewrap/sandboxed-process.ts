/** A command that was started: its output, its stop, and how it ended. */
import { constants } from "node:os";
import type { Readable } from "node:stream";
import type { Readings } from "../limits/run-group.js";
import type { SandboxedProcess, SandboxExit, SandboxInput } from "../sandbox.js";
import { monitorDisk } from "../limits/disk-monitor.js";
import type { ProcessMonitor } from "../limits/resource-monitor.js";

/** A command that runs, however it was started. */
export interface Started {
  /** The process whose end is the command's. */
  pid: number;
  /** Settles with the exit code when the command has ended; null where it could not be started. */
  ended: Promise<number | null>;
  /** Asks every process of the run to end. */
  terminate(): void;
  /** Every process of the run, as this process numbers them. */
  pids(): number[];
  /** Kills every process of the run. */
  killAll(): void;
  /** Settles when no process of it is left. */
  gone(): Promise<void>;
  stdout: Readable;
  stderr: Readable;
  /** What was counted, as long as it is not released; null where nothing counts. */
  readings(): Readings | null;
  /** Removes what held the run, once no process of it is left. */
  release(): Promise<void>;
  /** Looks at the processes where nothing counts them. */
  watch: ((onOver: () => void) => ProcessMonitor) | null;
}

const DETAILS = {
  memory: "It used all the memory that a run may use.",
  processes: "It started more processes than a run may have.",
  disk: "Its workspace held more than it may hold.",
  files: "Its workspace held more files than it may hold.",
} as const;

const KILL_AGAIN_MS = 100;

/** Reads a run's output, holds it to what must be watched, stops it, and tells how it ended. */
export function trackProcess(input: SandboxInput, started: Started): SandboxedProcess {
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
          input.folder,
          diskLimits,
          () => started.pids(),
          (what) => end(what === "bytes" ? "disk" : "files"),
        );

  const pump = async (stream: "stdout" | "stderr"): Promise<void> => {
    const source = started[stream];
    try {
      for await (const chunk of source as AsyncIterable<Buffer>) {
        if (stream === "stderr" && firstError.length < 1000) firstError += chunk.toString("utf8");
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

  return {
    pid: started.pid,
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
          // Without free descriptors the processes cannot be listed now.
          timer = setTimeout(kill, KILL_AGAIN_MS);
        }
      };
      timer = setTimeout(kill, graceMs);
      void ended.then(() => clearTimeout(timer));
    },
    readings: () => started.readings(),
    done,
  };
}

/**
 * Why the command's program was never run, told by what the programs before it said, which a command
 * could only say of itself; null where it was.
 */
function whyNotStarted(exitCode: number | null, said: string): string | null {
  if (![1, 126, 127, 128].includes(exitCode ?? -1)) return null;
  const match = /^(?:prlimit: failed to execute|bwrap: execvp) (.*?): (.*)\s*$/.exec(said);
  if (match !== null) return `${match[1]}: ${match[2]}`;
  return /^(bwrap|running container): /.test(said)
    ? `The sandbox could not be made: ${lastLine(said)}`
    : null;
}

/** The last line of what a program said. */
export function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)?.slice(0, 500) || "it ended without a word";
}

/** Of an exit code as a shell tells it. */
function signalName(exitCode: number): string | null {
  if (exitCode <= 128 || exitCode > 128 + 31) return null;
  const found = Object.entries(constants.signals).find(([, number]) => number === exitCode - 128);
  return found?.[0] ?? null;
}
