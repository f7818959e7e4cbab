/** Starts bubblewrap, which waits with the command until it is under its limits. */
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { writeFileSync } from "node:fs";
import { lowerPriority } from "#shared/node/process-priority.js";
import type { ControlGroups } from "../limits/cgroups.js";
import { trackProcess, lastLine } from "./sandboxed-process.js";
import { launch } from "../launch.js";
import { namespaceOf, type RunNetwork } from "../egress/network.js";
import { closeWriters, type OutputPipes } from "../streams/output-pipes.js";
import { descendantsOf, isAlive, readProcess, signal, type ProcessIdentity } from "../processes.js";
import type { GroupLimits } from "../limits/run-group.js";
import { repeat } from "../repeat.js";
import { SandboxRefusal, type SandboxedProcess, type SandboxInput } from "../sandbox.js";
import {
  monitorProcesses,
  type MeasureMemory,
  type MemoryFolder,
} from "../limits/resource-monitor.js";

/** Descriptors of the started bubblewrap: it tells its state, is held back, reads the environment. */
export const STATUS = 3;
export const HOLD = 4;
export const ENVIRONMENT = 5;
/** The first of the plan's files. */
export const FILES = 6;

export interface Plan {
  groups: ControlGroups | null;
  pipes: OutputPipes;
  /** The user that the command runs as. */
  uid: number;
  argv: readonly string[];
  /** The command's whole environment; the programs around it get none of it. */
  environment: Record<string, string>;
  /** Open files, handed on from descriptor `FILES`. */
  files: readonly number[];
  /** Where the sandbox has files in memory. */
  inMemory: readonly MemoryFolder[];
  /** Of all its processes, those around the command included. */
  limits: GroupLimits;
  /** How the memory of its processes is measured where a watch counts it; undefined: as the machine's. */
  measureMemory: MeasureMemory | undefined;
  /** Whether the system's killing one process for want of memory leaves others waiting for good. */
  needsAll: boolean;
  /** Sends TERM to every process of the command, whose sandbox has that first process; null: as usual. */
  terminate: ((init: number) => void) | null;
  /** That it was started in; taken down with the run. Null: it has none. */
  network: RunNetwork | null;
}

/** @throws SandboxRefusal where the sandbox could not be made; nothing is left of it but its network. */
export async function startBlocked(input: SandboxInput, plan: Plan): Promise<SandboxedProcess> {
  const { network } = plan;
  // What its network costs is the run's, too.
  const processes = plan.limits.processes + (network?.pids.length ?? 0);
  const group = plan.groups?.create(input.id, { ...plan.limits, processes }) ?? null;
  const output = [await plan.pipes.take(plan.uid), await plan.pipes.take(plan.uid)] as const;
  const [{ reader: stdout }, { reader: stderr }] = output;
  const child = launch(plan.argv, {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
    stdio: ["ignore", output[0].writer, output[1].writer, "pipe", "pipe", "pipe", ...plan.files],
  });
  closeWriters(output);
  const ended = new Promise<number | null>((resolve) => {
    child.on("error", () => resolve(null));
    child.on("exit", (code, name) => resolve(code ?? 128 + constants.signals[name ?? "SIGKILL"]));
  });
  const pipes = child.stdio as readonly unknown[];
  const reports = readReports(pipes[STATUS] as Readable);
  const hold = pipes[HOLD] as Writable;
  const environment = pipes[ENVIRONMENT] as Writable;
  // A bubblewrap that ended early says why on its standard error.
  for (const pipe of [hold, environment]) pipe.on("error", () => undefined);
  environment.end(environmentArgs(plan.environment));

  const pid = await Promise.race([reports.childPid, ended.then(() => null)]);
  const init = pid === null ? null : readProcess(pid);
  const giveUp = async (reason: string): Promise<never> => {
    if (init !== null) kill(init);
    const [said] = await Promise.all([text(stderr), ended]);
    stdout.destroy();
    await group?.remove();
    throw new SandboxRefusal(
      said === "" ? reason : `The sandbox could not be made: ${lastLine(said)}`,
    );
  };
  if (init === null) return giveUp("The sandbox could not be made: it ended at once");
  if (network !== null && namespaceOf(init.pid) !== network.namespace) {
    return giveUp("The run is not in its own network");
  }
  try {
    for (const pid of [...(network?.pids ?? []), init.pid]) await group?.add(pid);
    yieldToServer(init.pid);
  } catch (error) {
    return giveUp(`The run could not be put under its limits: ${(error as Error).message}`);
  }
  hold.end("1");

  const kills =
    group !== null && plan.needsAll
      ? repeat(100, async () => {
          if (group.readings().oomKills > 0) kill(init);
        })
      : null;
  const isCounted = plan.groups?.controllers.has("memory") ?? false;
  return trackProcess(input, {
    pid: init.pid,
    ended: ended.then(async (code) => (await reports.exitCode) ?? code),
    terminate: () => {
      if (plan.terminate !== null) plan.terminate(init.pid);
      else for (const { pid } of descendantsOf(init.pid)) signal(pid, "SIGTERM");
    },
    pids: () => group?.pids() ?? [init, ...descendantsOf(init.pid)].map(({ pid }) => pid),
    // The first process of a PID namespace takes all others with it.
    killAll: () => kill(init),
    gone: async () => {
      await kills?.stop();
      for (let attempt = 0; isAlive(init); attempt += 1) {
        kill(init);
        await sleep(Math.min(50, attempt + 1));
      }
    },
    stdout,
    stderr,
    readings: () => group?.readings() ?? null,
    release: async () => {
      await network?.close();
      await group?.remove();
    },
    watch: isCounted
      ? null
      : (onOver) =>
          monitorProcesses(init.pid, plan.limits, plan.inMemory, onOver, plan.measureMemory),
  });
}

function kill(init: ProcessIdentity): void {
  if (isAlive(init)) signal(init.pid, "SIGKILL");
}

/** What runs commands comes first where processors or the machine's memory are short. */
function yieldToServer(pid: number): void {
  lowerPriority(pid);
  writeFileSync(`/proc/${pid}/oom_score_adj`, "500");
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
  let tellPid: (pid: number) => void = () => undefined;
  let tellCode: (code: number | null) => void = () => undefined;
  const childPid = new Promise<number>((resolve) => {
    tellPid = resolve;
  });
  const exitCode = new Promise<number | null>((resolve) => {
    tellCode = resolve;
  });
  let rest = "";
  status.setEncoding("utf8");
  status.on("error", () => tellCode(null));
  status.on("data", (text: string) => {
    rest += text;
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
      const report = reportOf(rest.slice(0, end));
      rest = rest.slice(end + 1);
      if (report["child-pid"] !== undefined) tellPid(report["child-pid"]);
      if (report["exit-code"] !== undefined) tellCode(report["exit-code"]);
    }
  });
  status.on("close", () => tellCode(null));
  return { childPid, exitCode };
}

/** A line that is no report tells nothing. */
function reportOf(line: string): Record<string, number | undefined> {
  try {
    return JSON.parse(line) as Record<string, number | undefined>;
  } catch {
    return {};
  }
}
