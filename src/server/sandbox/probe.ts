/** Tries, by small commands in real sandboxes, what this machine holds a command to. */
import { randomUUID } from "node:crypto";
import { chownSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Controller } from "./cgroup-files.js";
import type { ControlGroups } from "./cgroups.js";
import {
  SandboxRefusal,
  type LimitReport,
  type Runner,
  type SandboxExit,
  type SandboxLimits,
  type SandboxReport,
} from "./sandbox.js";
import { sizeOf } from "./watch.js";

const PLENTY: SandboxLimits = {
  memoryBytes: 256 << 20,
  processes: 64,
  cpus: null,
  diskBytes: null,
};

const WATCH = "a watch";
const RLIMITS = "resource limits";

/** All at once; a few hundred milliseconds. */
export async function probe(
  parent: string,
  runner: Runner,
  groups: ControlGroups | null,
): Promise<SandboxReport> {
  const folder = mkdtempSync(join(parent, "probe-"));
  if (process.getuid?.() === 0) chownSync(folder, runner.uid, runner.uid);
  const attempt = async (
    command: readonly string[],
    limits: Partial<SandboxLimits> = {},
  ): Promise<{ exit: SandboxExit; output: string }> => {
    let output = "";
    const started = await runner.start({
      id: `probe-${randomUUID()}`,
      folder,
      command,
      env: {},
      network: "none",
      limits: { ...PLENTY, ...limits },
      onOutput: (_stream, chunk) => {
        output += chunk.toString("utf8");
      },
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
    const [plain, memory, processes, cpu] = await Promise.all([
      // The interfaces that it sees: its own loopback and nothing else. And 1 MiB for the watch.
      attempt(["sh", "-c", "cat /proc/net/dev; head -c 1048576 /dev/zero > file"]),
      // Held for as long as a watch may need to see it.
      attempt(["sh", "-c", "x=$(head -c 64000000 /dev/zero | tr '\\0' x); sleep 2"], {
        memoryBytes: 32 << 20,
      }),
      attempt(["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 0.1 & done; wait"], {
        processes: 6,
      }),
      // A millisecond in each tenth of a second: no program starts within that.
      attempt(["true"], { cpus: 0.01 }),
    ]);
    const written = await sizeOf(folder);
    const works = plain.exit.reason === "exited" && plain.exit.exitCode === 0;
    if (!works) throw new SandboxRefusal(plain.exit.detail ?? plain.output);
    const interfaces = plain.output.split("\n").filter((line) => line.includes(":"));
    return {
      mode: runner.mode,
      reason: runner.mode === "off" ? "OMOI_SANDBOX is off: commands run without a sandbox" : null,
      install: null,
      uid: runner.uid,
      seccomp: runner.seccomp,
      network: runner.mode === "bubblewrap" && interfaces.length === 1,
      limits: {
        memory: holds(memory.exit.reason === "memory", by("memory", WATCH)),
        processes: holds(processes.exit.exitCode !== 0, by("pids", RLIMITS)),
        cpu: holds((cpu.exit.throttled ?? 0) > 0, by("cpu", WATCH)),
        output: holds(true, "the server, which stops what writes too much"),
        disk: holds(written.bytes >= 1 << 20, `${WATCH}, and ${RLIMITS} for each file`),
      },
    };
  } catch (error) {
    if (!(error instanceof SandboxRefusal)) throw error;
    const none = { enforced: false, by: null };
    return {
      mode: "unavailable",
      reason: error.message,
      install: null,
      uid: null,
      seccomp: false,
      network: false,
      limits: { memory: none, processes: none, cpu: none, output: none, disk: none },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
