/** One command from its start to the end of its last process. */
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { constants } from "node:os";
import { text } from "node:stream/consumers";
import type { ControlGroups, RunGroup } from "./cgroups.js";
import { launch } from "./launch.js";
import { descendantsOf, isAlive, readProcess, signal } from "./processes.js";
import {
  SandboxRefusal,
  type SandboxedProcess,
  type SandboxExit,
  type SandboxInput,
} from "./sandbox.js";

export interface Plan {
  groups: ControlGroups | null;
  argv: readonly string[];
  /** The command's whole environment; the programs around it get none of it. */
  environment: Record<string, string>;
  /** Open files, handed on from descriptor 6. */
  files: readonly number[];
}

/**
 * Starts bubblewrap, waits until its first process is in the run's control group, and lets it go on.
 * @throws SandboxRefusal where the sandbox could not be made.
 */
export async function watchedRun(input: SandboxInput, plan: Plan): Promise<SandboxedProcess> {
  const group = plan.groups?.create(input.id, input.limits) ?? null;
  const child = launch(plan.argv, {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
    stdio: ["ignore", "pipe", "pipe", "pipe", "pipe", "pipe", ...plan.files],
  });
  const pipes = child.stdio as readonly unknown[];
  const [stdout, stderr, status] = pipes.slice(1, 4) as [Readable, Readable, Readable];
  const [hold, environment] = pipes.slice(4, 6) as [Writable, Writable];
  const ended = new Promise<number | null>((resolve) => {
    child.on("error", () => resolve(null));
    child.on("exit", (code, name) => resolve(code ?? 128 + constants.signals[name ?? "SIGKILL"]));
  });
  for (const pipe of [hold, environment]) pipe.on("error", () => undefined);
  environment.end(environmentArgs(plan.environment));
  const reports = readReports(status);

  const pid = await Promise.race([reports.childPid, ended.then(() => null)]);
  const init = pid === null ? null : readProcess(pid);
  if (init === null) {
    const said = await text(stderr);
    await ended;
    await group?.remove();
    throw new SandboxRefusal(`The sandbox could not be made: ${lastLine(said)}`);
  }
  try {
    group?.add(init.pid);
  } catch (error) {
    signal(init.pid, "SIGKILL");
    await ended;
    await group?.remove();
    throw new SandboxRefusal(`The run could not be put under its limits: ${String(error)}`);
  }
  hold.end("1");
  return follow(input, {
    pid: init.pid,
    group,
    ended: ended.then(async (code) => (await reports.exitCode) ?? code),
    members: () => descendantsOf(init.pid).map((member) => member.pid),
    // The first process of a PID namespace takes all others with it.
    killAll: () => {
      if (isAlive(init)) signal(init.pid, "SIGKILL");
    },
    gone: async () => {
      for (let attempt = 0; isAlive(init); attempt += 1) {
        signal(init.pid, "SIGKILL");
        await sleep(Math.min(50, attempt + 1));
      }
    },
    whyNotStarted,
    stdout,
    stderr,
  });
}

/** A command that runs, however it was started. */
export interface Started {
  /** The process whose end is the command's. */
  pid: number;
  group: RunGroup | null;
  /** Settles with the exit code when `pid` has ended; null where it could not be started. */
  ended: Promise<number | null>;
  /** Every process of the run that a TERM goes to. */
  members(): number[];
  /** Kills every process of the run. */
  killAll(): void;
  /** Settles when no process of it is left. */
  gone(): Promise<void>;
  /** Why the command's program was never run, by the exit code and what was said; null where it was. */
  whyNotStarted(exitCode: number | null, said: string): string | null;
  stdout: Readable;
  stderr: Readable;
}

/** Reads a run's output, stops it, and tells how it ended. */
export function follow(input: SandboxInput, started: Started): SandboxedProcess {
  const { group, ended, stdout, stderr } = started;
  const killAll = (): void => started.killAll();
  let isStopping = false;
  let failure: Error | null = null;
  let firstError = "";

  const pump = async (stream: "stdout" | "stderr", source: Readable): Promise<void> => {
    try {
      for await (const chunk of source as AsyncIterable<Buffer>) {
        if (stream === "stderr" && firstError.length < 1000) firstError += chunk.toString("utf8");
        if (failure === null) await input.onOutput(stream, chunk);
      }
    } catch (error) {
      failure ??= error instanceof Error ? error : new Error(String(error));
      killAll();
      source.resume();
    }
  };
  const pumps = Promise.all([pump("stdout", stdout), pump("stderr", stderr)]);

  const finish = async (): Promise<SandboxExit> => {
    const exitCode = await ended;
    await started.gone();
    const readings = group?.readings();
    await group?.remove();
    await pumps;
    if (failure !== null) throw failure;
    const outcome = {
      exitCode,
      signal: exitCode === null ? null : signalName(exitCode),
      cpuSeconds: readings?.cpuSeconds ?? null,
      peakMemoryBytes: readings?.peakMemoryBytes ?? null,
      throttled: readings?.throttled ?? null,
    };
    if (isStopping) return { ...outcome, reason: "stopped", detail: null };
    const notStarted = started.whyNotStarted(exitCode, firstError);
    if (notStarted !== null) return { ...outcome, reason: "start_failed", detail: notStarted };
    if (exitCode !== 0 && (readings?.oomKills ?? 0) > 0) {
      return { ...outcome, reason: "memory", detail: "It used all the memory that a run may use." };
    }
    if (exitCode !== 0 && (readings?.refusedForks ?? 0) > 0) {
      const detail = "It started more processes than a run may have.";
      return { ...outcome, reason: "processes", detail };
    }
    return { ...outcome, reason: "exited", detail: null };
  };
  const done = finish();
  done.catch(() => undefined);

  return {
    pid: started.pid,
    stop(graceMs) {
      if (graceMs <= 0) {
        isStopping = true;
        killAll();
        return;
      }
      if (isStopping) return;
      isStopping = true;
      for (const pid of started.members()) signal(pid, "SIGTERM");
      const timer = setTimeout(killAll, graceMs);
      void ended.then(() => clearTimeout(timer));
    },
    done,
  };
}

/** bubblewrap's own arguments that hold the environment, each ended by NUL (`--args`). */
function environmentArgs(environment: Record<string, string>): string {
  const words = ["--clearenv"];
  for (const [name, value] of Object.entries(environment)) words.push("--setenv", name, value);
  return words.map((word) => `${word}\0`).join("");
}

/** What bubblewrap tells of itself: JSON documents, one a line. */
function readReports(status: Readable): {
  childPid: Promise<number>;
  exitCode: Promise<number | null>;
} {
  let childPid: (pid: number) => void = () => undefined;
  let exitCode: (code: number | null) => void = () => undefined;
  let rest = "";
  status.setEncoding("utf8");
  status.on("data", (text: string) => {
    rest += text;
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
      const line = rest.slice(0, end);
      rest = rest.slice(end + 1);
      const report = JSON.parse(line) as { "child-pid"?: number; "exit-code"?: number };
      if (report["child-pid"] !== undefined) childPid(report["child-pid"]);
      if (report["exit-code"] !== undefined) exitCode(report["exit-code"]);
    }
  });
  return {
    childPid: new Promise((resolve) => {
      childPid = resolve;
    }),
    exitCode: new Promise((resolve) => {
      exitCode = resolve;
      status.on("close", () => resolve(null));
      status.on("error", () => resolve(null));
    }),
  };
}

/** Why the command's program was never run, by what the programs before it said; null where it was. */
function whyNotStarted(exitCode: number | null, said: string): string | null {
  if (![1, 126, 127].includes(exitCode ?? -1)) return null;
  const match = /^(?:prlimit: failed to execute|bwrap: execvp) (.*?): (.*)\s*$/.exec(said);
  if (match !== null) return `${match[1]}: ${match[2]}`;
  return said.startsWith("bwrap: ") ? `The sandbox could not be made: ${lastLine(said)}` : null;
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)?.slice(0, 500) || "it ended without a word";
}

function signalName(exitCode: number): string | null {
  if (exitCode <= 128 || exitCode > 128 + 31) return null;
  const found = Object.entries(constants.signals).find(([, number]) => number === exitCode - 128);
  return found?.[0] ?? null;
}
