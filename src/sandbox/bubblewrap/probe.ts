/** Probes which limits this machine enforces, by small commands in real sandboxes. */
import { randomUUID } from "node:crypto";
import { chownSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Controller } from "../limits/cgroup-files.js";
import type { ControlGroups } from "../limits/cgroups.js";
import {
  SandboxRefusal,
  type LimitReport,
  type Runner,
  type SandboxedProcess,
  type SandboxExit,
  type SandboxInput,
  type SandboxLimits,
  type SandboxReport,
  unavailableReport,
} from "../sandbox.js";
import { measureFolder } from "../limits/disk-monitor.js";

export const PLENTY: SandboxLimits = {
  memoryBytes: 256 << 20,
  processes: 64,
  cpus: null,
  diskBytes: null,
  diskFiles: null,
};

const MONITOR = "a monitor";
const RLIMITS = "resource limits";

/** Commands that exceed a limit, and how their end tells that it is enforced. */
export const limitTrials = {
  // Lasts long enough for a monitor on the busiest machine.
  memory: {
    command: ["dd", "if=/dev/zero", "of=/dev/null", "bs=128M", "count=400"],
    limits: { memoryBytes: 32 << 20 },
    isHeld: ({ reason }: SandboxExit) => reason === "memory",
  },
  // The end of the shell ends all children, so the limit is hit while they live.
  processes: {
    command: ["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 60 & done"],
    limits: { processes: 6 },
    isHeld: ({ exitCode }: SandboxExit) => exitCode !== 0,
  },
} satisfies Record<string, LimitTrial>;

export interface LimitTrial {
  command: readonly string[];
  limits: Partial<SandboxLimits>;
  isHeld: (exit: SandboxExit) => boolean;
}

type Start = (
  command: readonly string[],
  limits?: Partial<SandboxLimits>,
  onOutput?: SandboxInput["onOutput"],
  network?: SandboxInput["network"],
) => Promise<SandboxedProcess>;

/** All at once; takes a few hundred milliseconds. */
export async function probe(
  parent: string,
  runner: Runner,
  groups: ControlGroups | null,
): Promise<SandboxReport> {
  const folder = mkdtempSync(join(parent, "probe-"));
  if (process.getuid?.() === 0) chownSync(folder, runner.uid, runner.uid);
  const start: Start = (command, limits = {}, onOutput = () => undefined, network = "none") =>
    runner.start({
      id: `probe-${randomUUID()}`,
      folder,
      home: null,
      uid: null,
      command,
      env: {},
      network,
      limits: { ...PLENTY, ...limits },
      onOutput,
    });
  const attempt = async (
    ...[command, limits]: Parameters<Start>
  ): Promise<{ exit: SandboxExit; output: string }> => {
    let output = "";
    const started = await start(command, limits, (_stream, chunk) => {
      output += chunk.toString("utf8");
    });
    return { exit: await started.done, output };
  };
  const by = (controller: Controller, otherwise: string): string =>
    groups?.controllers.has(controller) ? `control groups, version ${groups.version}` : otherwise;
  const holds = (enforced: boolean, by: string): LimitReport => ({
    enforced,
    by: enforced ? by : null,
  });

  try {
    const [plain, memory, processes, throttled, fullNetwork] = await Promise.all([
      // Its network interfaces should be its own loopback only. Writes 1 MiB for the disk monitor.
      attempt(["sh", "-c", "cat /proc/net/dev; head -c 1048576 /dev/zero > file"]),
      attempt(limitTrials.memory.command, limitTrials.memory.limits),
      attempt(limitTrials.processes.command, limitTrials.processes.limits),
      isThrottled(start, groups),
      tryNetwork(runner, start),
    ]);
    const written = await measureFolder(folder);
    const works = plain.exit.reason === "exited" && plain.exit.exitCode === 0;
    if (!works) throw new SandboxRefusal(plain.exit.detail ?? plain.output);
    const interfaces = plain.output.split("\n").filter((line) => line.includes(":"));
    return {
      mode: runner.mode,
      reason: runner.mode === "off" ? "OMOI_SANDBOX is off: commands run without a sandbox" : null,
      install: null,
      uid: runner.uid,
      seccomp: runner.seccomp,
      network: runner.mode !== "off" && interfaces.length === 1,
      fullNetwork,
      restrictedNetwork: runner.mode === "off" ? unrestricted : fullNetwork,
      limits: {
        memory: holds(limitTrials.memory.isHeld(memory.exit), by("memory", MONITOR)),
        processes: holds(limitTrials.processes.isHeld(processes.exit), by("pids", RLIMITS)),
        cpu: holds(throttled, by("cpu", MONITOR)),
        output: holds(true, "the server, which stops commands that write too much"),
        disk: holds(
          written.bytes >= 1 << 20,
          runner.mode === "off" ? MONITOR : `${MONITOR}, and ${RLIMITS} per file`,
        ),
      },
    };
  } catch (error) {
    if (!(error instanceof SandboxRefusal)) throw error;
    return unavailableReport(error.message, null);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const unrestricted = {
  isolated: false,
  reason: "Commands run without a sandbox here, so their network cannot be restricted",
  install: null,
};

/** Probes whether a run with network gets a network of its own. */
async function tryNetwork(runner: Runner, start: Start): Promise<SandboxReport["fullNetwork"]> {
  if (runner.mode === "off") {
    return { isolated: false, reason: "Commands run without a sandbox", install: null };
  }
  try {
    const started = await start(["true"], {}, undefined, "full");
    const { exitCode } = await started.done;
    const reason = exitCode === 0 ? null : "A command with its own network did not run";
    return { isolated: exitCode === 0, reason, install: null };
  } catch (error) {
    if (!(error instanceof SandboxRefusal)) throw error;
    return { isolated: false, reason: error.message, install: error.install };
  }
}

/** Processor seconds that prove that a limit of 1 ms per 100 ms is not enforced. */
const unheldSeconds = 0.05;
/** If the command gets less in this time, the machine is too busy to tell. */
const timeoutMs = 10_000;

/**
 * Tells whether a computing command is throttled. Judged by processor time, not by the clock: on a
 * busy machine it gets little anyway.
 */
async function isThrottled(start: Start, groups: ControlGroups | null): Promise<boolean> {
  if (!groups?.controllers.has("cpu")) return false;
  const started = await start(["sh", "-c", "while :; do :; done"], { cpus: 0.01 }).catch(
    // A kernel may have the controller without this limit (CONFIG_CFS_BANDWIDTH).
    () => null,
  );
  if (started === null) return false;
  const over = started.done.then(() => true);
  const until = performance.now() + timeoutMs;
  let isHeld = false;
  while (!isHeld && performance.now() < until) {
    const readings = started.readings();
    isHeld = (readings?.throttled ?? 0) > 0;
    if (isHeld || (readings?.cpuSeconds ?? 0) > unheldSeconds) break;
    if (await Promise.race([over, sleep(10, false)])) break;
  }
  started.stop(0);
  await started.done;
  return isHeld;
}
