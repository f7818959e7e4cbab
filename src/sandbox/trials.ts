/** Runs small commands in the sandbox, as trials of what it refuses. */
import { randomUUID } from "node:crypto";
import { chownSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { PLENTY } from "./bubblewrap/probe.js";
import { readProcess, resourceName } from "./processes.js";
import type { Sandbox, SandboxExit, SandboxInput, SandboxLimits } from "./sandbox.js";

/** More output of a trial is dropped. */
const MAX_OUTPUT = 1 << 20;

type TrialOptions = Partial<Pick<SandboxInput, "env" | "network" | "ports">> & {
  limits?: Partial<SandboxLimits>;
};

export interface Trials {
  /** A folder of the server that no run sees, removed with the trials. */
  folder: string;
  /** @throws SandboxRefusal */
  run: (
    command: readonly string[],
    options?: TrialOptions,
  ) => Promise<{ exit: SandboxExit; output: string }>;
}

/**
 * Lets `work` run trials, and removes their folder. The next start removes that of a killed server.
 * @param signal ends the trial under way
 */
export async function withTrials<Result>(
  sandbox: Sandbox,
  dataDir: string,
  signal: AbortSignal,
  work: (trials: Trials) => Promise<Result>,
): Promise<Result> {
  const self = readProcess(process.pid);
  if (self === null) throw new Error("a sandbox exists on Linux only");
  const folder = join(dataDir, "sandbox", resourceName(self, dataDir));
  const workspace = join(folder, "workspace");
  mkdirSync(workspace, { recursive: true, mode: 0o700 });
  const { uid } = sandbox.report;
  if (uid !== null && process.getuid?.() === 0) chownSync(workspace, uid, uid);
  const run: Trials["run"] = async (command, { limits, ...options } = {}) => {
    signal.throwIfAborted();
    let output = "";
    const started = await sandbox.start({
      id: `trial-${randomUUID()}`,
      folder: workspace,
      home: null,
      uid: null,
      command,
      env: {},
      network: "none",
      limits: { ...PLENTY, ...limits },
      onOutput: (_stream, chunk) => {
        if (output.length < MAX_OUTPUT) output += chunk.toString("utf8");
      },
      ...options,
    });
    const stop = (): void => started.stop(0);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      return { exit: await started.done, output };
    } finally {
      signal.removeEventListener("abort", stop);
    }
  };
  try {
    return await work({ folder, run });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
