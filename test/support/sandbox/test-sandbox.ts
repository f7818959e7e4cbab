/** Shared by the sandbox tests: a data folder, workspaces in it, and runs of commands. */
import { randomUUID } from "node:crypto";
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe } from "vitest";
import { openSandbox } from "#sandbox/open-sandbox.js";
import { findProgram } from "#sandbox/programs.js";
import { allPids, readProcess } from "#sandbox/processes.js";
import type {
  SandboxedProcess,
  SandboxExit,
  SandboxInput,
  SandboxLimits,
  SandboxReport,
  SandboxSettings,
} from "#sandbox/sandbox.js";

export const agentUid = 60_861;
export const isRoot = process.getuid?.() === 0;

/** A kind of sandbox, by its setting and its mode in the report. */
export type SandboxKind =
  | { setting: "required"; mode: "bubblewrap" }
  | { setting: "gvisor"; mode: "gvisor" };

/** Describes a suite for each kind of sandbox; skips gVisor without runsc. */
export function describeEachSandbox(title: string, suite: (kind: SandboxKind) => void): void {
  describeBubblewrap(title, suite);
  describeGvisor(title, suite);
}

export function describeBubblewrap(title: string, suite: (kind: SandboxKind) => void): void {
  describe(`${title}, by bubblewrap`, () => suite({ setting: "required", mode: "bubblewrap" }));
}

/** Skips the suite without runsc. */
export function describeGvisor(title: string, suite: (kind: SandboxKind) => void): void {
  const isMissing = findProgram("runsc") === null;
  describe.skipIf(isMissing)(`${title}, by gVisor${isMissing ? " (needs runsc)" : ""}`, () =>
    suite({ setting: "gvisor", mode: "gvisor" }),
  );
}

type Options = Partial<Omit<SandboxInput, "limits">> & { limits?: Partial<SandboxLimits> };

export interface TestSandbox {
  dataDir: string;
  report: SandboxReport;
  cleanUp(): Promise<void>;
  close(): Promise<void>;
  /** Creates a workspace folder that belongs to the agent's user. */
  workspace(): string;
  start(
    command: readonly string[],
    options?: Options,
  ): Promise<SandboxedProcess & { output(): string }>;
  run(command: readonly string[], options?: Options): Promise<SandboxExit & { output: string }>;
}

/** Opens a sandbox, by default on a private data folder. */
export async function openTestSandbox(
  settings: Partial<SandboxSettings> = {},
  withGroups = true,
): Promise<TestSandbox> {
  const dataDir = settings.dataDir ?? mkdtempSync(join(tmpdir(), "omoi-sandbox-"));
  const sandbox = await openSandbox(
    {
      dataDir,
      sandbox: "required",
      agentUid,
      networkUid: 60_860,
      sandboxReadOnly: [],
      ...settings,
    },
    withGroups,
  );
  const workspace = (): string => {
    const folder = join(dataDir, "workspaces", randomUUID());
    mkdirSync(folder, { recursive: true });
    if (isRoot) chownSync(folder, agentUid, agentUid);
    return folder;
  };
  const start: TestSandbox["start"] = async (command, options = {}) => {
    let output = "";
    const started = await sandbox.start({
      id: randomUUID(),
      folder: options.folder ?? workspace(),
      home: null,
      uid: null,
      command,
      env: {},
      network: "none",
      onOutput: (_stream, chunk) => {
        output += chunk.toString("utf8");
      },
      ...options,
      limits: {
        memoryBytes: 1 << 30,
        processes: 128,
        cpus: null,
        diskBytes: null,
        diskFiles: null,
        ...options.limits,
      },
    });
    return { ...started, output: () => output };
  };
  return {
    dataDir,
    report: sandbox.report,
    cleanUp: () => sandbox.cleanUp(),
    async close() {
      await sandbox.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
    workspace,
    start,
    async run(command, options) {
      const started = await start(command, options);
      const exit = await started.done;
      return { ...exit, output: started.output() };
    },
  };
}

/** Returns live processes of this machine with `text` in their arguments. */
export function processesWith(text: string): number[] {
  return allPids().filter((pid) => {
    try {
      return (
        readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text) &&
        readProcess(pid)?.state !== "Z"
      );
    } catch {
      return false;
    }
  });
}
