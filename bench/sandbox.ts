import { spawn } from "node:child_process";
import { chownSync, mkdirSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { openSandbox } from "#server/sandbox/open-sandbox.js";
import { interleave, median, timed, type Benchmark } from "./harness.js";

const rounds = 40;
const targetMs = 30;
const agentUid = 60_861;

/** What it costs that a command runs in a sandbox. */
export const sandbox: Benchmark = {
  name: "sandbox",
  method:
    `\`true\` from its start to its end, ${rounds} rounds in turn with a bare spawn of it from the same ` +
    `process: namespaces, control groups, the system call filter and the agent's user made, the output's ` +
    `pipes opened and closed, and everything removed again.`,
  run: async (folder, log) => {
    const dataDir = join(folder, "data");
    const workspace = join(dataDir, "workspace");
    mkdirSync(workspace, { recursive: true });
    if (process.getuid?.() === 0) chownSync(workspace, agentUid, agentUid);
    const opened = await openSandbox({
      dataDir,
      sandbox: "required",
      agentUid,
      networkUid: 60_860,
      sandboxReadOnly: [],
    });
    const row = { what: "`true` in a sandbox", target: `at most ${targetMs} ms more` };
    if (opened.report.mode !== "bubblewrap") {
      const measured = `not measured: ${opened.report.reason}`;
      return [{ ...row, measured, against: "", ratio: "", met: null }];
    }
    log(`${rounds} rounds`);
    try {
      const { bare, sandboxed } = await interleave(rounds, {
        bare: () => timed(spawnBare),
        sandboxed: () =>
          timed(async () => {
            const started = await opened.start({
              id: randomUUID(),
              uid: null,
              folder: workspace,
              command: ["true"],
              env: {},
              network: "none",
              limits: {
                memoryBytes: 1 << 30,
                processes: 64,
                cpus: null,
                diskBytes: null,
                diskFiles: null,
              },
              onOutput: () => undefined,
            });
            const { exitCode } = await started.done;
            if (exitCode !== 0) throw new Error(`true ended with ${exitCode}`);
          }),
      });
      const more = median(sandboxed.map((ms, round) => ms - (bare[round] as number)));
      return [
        {
          ...row,
          measured: `${median(sandboxed).toFixed(1)} ms`,
          against: `${median(bare).toFixed(1)} ms, a bare spawn`,
          ratio: `${more.toFixed(1)} ms more`,
          met: more <= targetMs,
        },
      ];
    } finally {
      await opened.close();
    }
  },
};

function spawnBare(): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("true", [], { stdio: ["ignore", "pipe", "pipe"] });
    child.on("error", reject);
    child.on("close", () => resolve());
  });
}
