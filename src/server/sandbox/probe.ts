/** Tries, by small commands in real sandboxes, what this machine holds a command to. */
import { randomUUID } from "node:crypto";
import { chownSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { ControlGroups } from "./cgroups.js";
import {
  SandboxRefusal,
  type LimitReport,
  type Runner,
  type SandboxExit,
  type SandboxLimits,
  type SandboxReport,
} from "./sandbox.js";

const PLENTY: SandboxLimits = {
  memoryBytes: 256 << 20,
  processes: 64,
  cpus: null,
  diskBytes: null,
};

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
  const by = groups === null ? null : `control groups, version ${groups.version}`;
  const holds = (enforced: boolean, by: string | null): LimitReport => ({
    enforced,
    by: enforced ? by : null,
  });

  try {
    const [plain, memory, processes, cpu] = await Promise.all([
      // The interfaces that it sees: its own loopback and nothing else.
      attempt(["cat", "/proc/net/dev"]),
      attempt(["dd", "if=/dev/zero", "of=/dev/null", "bs=96M", "count=1"], {
        memoryBytes: 32 << 20,
      }),
      attempt(["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait"], { processes: 6 }),
      attempt(["dd", "if=/dev/zero", "of=/dev/null", "bs=1M", "count=2000"], { cpus: 0.1 }),
    ]);
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
        memory: holds(memory.exit.reason === "memory", by),
        processes: holds(processes.exit.reason === "processes", by),
        cpu: holds((cpu.exit.throttled ?? 0) > 0, by),
        output: holds(true, "the server, which stops what writes too much"),
        disk: holds(true, "a watch over the workspace"),
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
