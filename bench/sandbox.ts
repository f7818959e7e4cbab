import { spawn } from "node:child_process";
import { chownSync, mkdirSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { openSandbox } from "#sandbox/open-sandbox.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import { interleave, median, timed, type Benchmark, type Row } from "./support/harness.js";

const rounds = 40;
const workRounds = 8;
const targetMs = 30;
const agentUid = 60_861;

/** Programs for comparing gVisor with bubblewrap alone. */
const work = {
  "compute for about one second": `let sum = 0; for (let i = 0; i < 1.2e9; i++) sum = (sum + i * 7) | 0;`,
  "write, read and remove 2 000 files": `
    const fs = require("fs"); fs.mkdirSync("work");
    for (let i = 0; i < 2000; i++) fs.writeFileSync("work/" + i, "text " + i);
    for (let i = 0; i < 2000; i++) fs.readFileSync("work/" + i);
    fs.rmSync("work", { recursive: true });`,
  "start 100 programs in sequence": `
    for (let i = 0; i < 100; i++) require("child_process").spawnSync("true");`,
};

/** The overhead of sandboxed commands. */
export const sandbox: Benchmark = {
  name: "sandbox",
  method:
    `\`true\` from start to exit in ${rounds} rounds that alternate with a plain spawn in the same ` +
    "process. The sandbox includes namespaces, control groups, the system call filter, the agent's " +
    "user, output pipes and cleanup. The Node programs that follow run for longer, in gVisor and in " +
    `plain bubblewrap, in ${workRounds} alternating rounds.`,
  run: async (folder, log) => {
    const [bubblewrap, gvisor] = [
      await openPlace(join(folder, "bubblewrap"), "required"),
      await openPlace(join(folder, "gvisor"), "gvisor"),
    ];
    try {
      log(`${rounds} rounds`);
      const rows = [
        await startRow("`true` in a sandbox", bubblewrap, targetMs),
        await startRow("… with its own kernel, in gVisor", gvisor, null),
      ];
      if (bubblewrap.why !== null || gvisor.why !== null) return rows;
      for (const [label, program] of Object.entries(work)) {
        log(label);
        const command = ["node", "-e", program];
        const times = await interleave(workRounds, {
          bubblewrap: () => timed(() => bubblewrap.runCommand(command)),
          gvisor: () => timed(() => gvisor.runCommand(command)),
        });
        const ratio = median(times.gvisor.map((ms, round) => ms / (times.bubblewrap[round] ?? ms)));
        rows.push({
          label: `In gVisor: ${label}`,
          result: `${median(times.gvisor).toFixed(0)} ms`,
          baseline: `${median(times.bubblewrap).toFixed(0)} ms, in plain bubblewrap`,
          ratio: `${ratio.toFixed(2)} ×`,
          target: "",
          met: null,
        });
      }
      return rows;
    } finally {
      await Promise.all([bubblewrap.sandbox.close(), gvisor.sandbox.close()]);
    }
  },
};

interface Place {
  sandbox: Sandbox;
  /** Why it cannot be measured; null if it can. */
  why: string | null;
  runCommand(command: readonly string[]): Promise<void>;
}

async function openPlace(dataDir: string, setting: "required" | "gvisor"): Promise<Place> {
  const workspace = join(dataDir, "workspace");
  mkdirSync(workspace, { recursive: true });
  if (process.getuid?.() === 0) chownSync(workspace, agentUid, agentUid);
  const opened = await openSandbox({
    dataDir,
    sandbox: setting,
    agentUid,
    networkUid: 60_860,
    sandboxReadOnly: [],
  });
  return {
    sandbox: opened,
    why: opened.report.mode === "unavailable" ? opened.report.reason : null,
    async runCommand(command) {
      const started = await opened.start({
        id: randomUUID(),
        home: null,
        uid: null,
        folder: workspace,
        command,
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
      if (exitCode !== 0) throw new Error(`${command.join(" ")} ended with ${exitCode}`);
    },
  };
}

/** @param mostMs maximum overhead over a plain spawn; null for no target */
async function startRow(label: string, place: Place, mostMs: number | null): Promise<Row> {
  const row = { label, target: mostMs === null ? "" : `at most ${mostMs} ms more` };
  if (place.why !== null) {
    return { ...row, result: `not measured: ${place.why}`, baseline: "", ratio: "", met: null };
  }
  const { bare, sandboxed } = await interleave(rounds, {
    bare: () => timed(spawnBare),
    sandboxed: () => timed(() => place.runCommand(["true"])),
  });
  const more = median(sandboxed.map((ms, round) => ms - (bare[round] as number)));
  return {
    ...row,
    result: `${median(sandboxed).toFixed(1)} ms`,
    baseline: `${median(bare).toFixed(1)} ms, a plain spawn`,
    ratio: `${more.toFixed(1)} ms more`,
    met: mostMs === null ? null : more <= mostMs,
  };
}

function spawnBare(): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("true", [], { stdio: ["ignore", "pipe", "pipe"] });
    child.on("error", reject);
    child.on("close", () => resolve());
  });
}
