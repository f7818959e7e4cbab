/** Starts bubblewrap with its command blocked until the limits apply. */
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { writeFileSync } from "node:fs";
import { killWithServer } from "#shared/node/launcher/launch-command.js";
import { lowerPriority } from "#shared/node/process-priority.js";
import type { ControlGroups } from "../limits/cgroups.js";
import { lastLine } from "../streams/last-line.js";
import { trackProcess } from "./sandboxed-process.js";
import { launch } from "../launch.js";
import { namespaceOf, type RunNetwork } from "../network/network.js";
import { closeWriters, type OutputPipes } from "../streams/output-pipes.js";
import { descendantsOf, isAlive, readProcess, signal, type ProcessIdentity } from "../processes.js";
import type { GroupLimits } from "../limits/run-group.js";
import { repeat } from "../repeat.js";
import { SandboxRefusal, WORKSPACE, type SandboxedProcess, type SandboxInput } from "../sandbox.js";
import {
  monitorProcesses,
  type MeasureMemory,
  type MemoryFolder,
} from "../limits/resource-monitor.js";

/** Descriptors of the started bubblewrap: its status, the block, and the environment. */
export const STATUS_FD = 3;
export const BLOCK_FD = 4;
export const ENVIRONMENT_FD = 5;
/** The first descriptor of the plan's files. */
export const FIRST_FILE_FD = 6;

export interface Plan {
  groups: ControlGroups | null;
  pipes: OutputPipes;
  /** The user that the command runs as. */
  uid: number;
  argv: readonly string[];
  /** The command's whole environment; the wrapping programs get none of it. */
  environment: Record<string, string>;
  /** Open files, inherited from descriptor `FIRST_FILE_FD` on. */
  files: readonly number[];
  /** The sandbox's in-memory folders. */
  inMemory: readonly MemoryFolder[];
  /** Limits of all processes of the sandbox, including the wrapping ones. */
  limits: GroupLimits;
  /** Measures memory if a monitor enforces the limit; undefined: resident pages. */
  measureMemory: MeasureMemory | undefined;
  /** Whether the OOM kill of one process could leave others waiting forever. */
  needsAll: boolean;
  /**
   * Sends TERM to every process of the command, given the first process of the sandbox; null for
   * the default.
   */
  terminate: ((init: number) => void) | null;
  /** The network it was started in, closed with the run; null for none. */
  network: RunNetwork | null;
}

/** @throws SandboxRefusal if the sandbox cannot be created; only its network is left then */
export async function startBlocked(input: SandboxInput, plan: Plan): Promise<SandboxedProcess> {
  const { network } = plan;
  // The processes of its network count for the run, too.
  const processes = plan.limits.processes + (network?.pids.length ?? 0);
  const group = plan.groups?.create(input.id, { ...plan.limits, processes }) ?? null;
  const output = [await plan.pipes.take(plan.uid), await plan.pipes.take(plan.uid)] as const;
  const [{ reader: stdout }, { reader: stderr }] = output;
  const child = launch(plan.argv, {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
    stdio: [
      input.hasInput === true ? "pipe" : "ignore",
      output[0].writer,
      output[1].writer,
      "pipe",
      "pipe",
      "pipe",
      ...plan.files,
    ],
  });
  closeWriters(output);
  const ended = new Promise<number | null>((resolve) => {
    child.on("error", () => resolve(null));
    child.on("exit", (code, name) => resolve(code ?? 128 + constants.signals[name ?? "SIGKILL"]));
  });
  const pipes = child.stdio as readonly unknown[];
  const reports = readReports(pipes[STATUS_FD] as Readable);
  const hold = pipes[BLOCK_FD] as Writable;
  const environment = pipes[ENVIRONMENT_FD] as Writable;
  // If bubblewrap ended early, its standard error gives the reason.
  for (const pipe of [hold, environment]) pipe.on("error", () => undefined);
  environment.end(environmentArgs(plan.environment));

  const pid = await Promise.race([reports.childPid, ended.then(() => null)]);
  const init = pid === null ? null : readProcess(pid);
  // Bubblewrap asks to be killed with its server only shortly before the command, which may take long on a busy machine.
  const release = init === null ? () => undefined : killWithServer(init.pid);
  void ended.then(release);
  const giveUp = async (reason: string): Promise<never> => {
    if (init !== null) kill(init);
    const [said] = await Promise.all([text(stderr), ended]);
    stdout.destroy();
    await group?.remove();
    throw new SandboxRefusal(
      said === "" ? reason : `The sandbox could not be created: ${lastLine(said)}`,
    );
  };
  if (init === null) return giveUp("The sandbox could not be created: it ended immediately");
  if (network !== null && namespaceOf(init.pid) !== network.namespace) {
    return giveUp("The run is not in its own network");
  }
  try {
    for (const pid of [...(network?.pids ?? []), init.pid]) await group?.add(pid);
    yieldToServer(init.pid);
  } catch (error) {
    return giveUp(`The limits could not be applied to the run: ${(error as Error).message}`);
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
    workspace: WORKSPACE,
    ended: ended.then(async (code) => (await reports.exitCode) ?? code),
    terminate: () => {
      if (plan.terminate !== null) plan.terminate(init.pid);
      else for (const { pid } of descendantsOf(init.pid)) signal(pid, "SIGTERM");
    },
    pids: () => group?.pids() ?? [init, ...descendantsOf(init.pid)].map(({ pid }) => pid),
    // The end of the first process of a PID namespace kills all others.
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
    stdin: child.stdin,
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

/** Makes the command yield to the server if processors or memory are short. */
function yieldToServer(pid: number): void {
  lowerPriority(pid, "command");
  writeFileSync(`/proc/${pid}/oom_score_adj`, "500");
}

/** Encodes the environment as bubblewrap arguments, each NUL-terminated (`--args`). */
function environmentArgs(environment: Record<string, string>): string {
  const words = ["--clearenv"];
  for (const [name, value] of Object.entries(environment)) words.push("--setenv", name, value);
  return words.map((word) => `${word}\0`).join("");
}

/** Parses bubblewrap's status reports: JSON documents, one per line. */
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

/** Malformed lines are ignored. */
function reportOf(line: string): Record<string, number | undefined> {
  try {
    return JSON.parse(line) as Record<string, number | undefined>;
  } catch {
    return {};
  }
}
