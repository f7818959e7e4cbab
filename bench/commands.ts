import { spawn } from "node:child_process";
import { once } from "node:events";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { launchCommand } from "#shared/node/launcher/launch-command.js";
import { interleave, median, type Benchmark, type Row } from "./support/harness.js";

const sizes = [0, 300];
const rounds = 5;
const count = 40;

const argv = ["-c", "exec git version"];
const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin" };

async function directly(): Promise<void> {
  const child = spawn("/bin/sh", argv, { cwd: "/", env, stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.resume();
  child.stderr.resume();
  await once(child, "close");
}

async function launched(): Promise<void> {
  await launchCommand({
    file: "/bin/sh",
    args: argv,
    cwd: "/",
    env,
    timeoutMs: 0,
    maxOutputBytes: 1024,
  });
}

/** Returns the milliseconds of one command among many, and the longest time in which nothing else ran. */
async function measure(work: () => Promise<void>): Promise<{ each: number; blocked: number }> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const start = performance.now();
  for (let at = 0; at < count; at += 1) await work();
  const each = (performance.now() - start) / count;
  delay.disable();
  return { each, blocked: delay.percentile(90) / 1e6 };
}

/** The cost of a git command for a server of a usual size, beside that of starting it directly. */
export const startingCommands: Benchmark = {
  name: "commands",
  method:
    `${count} times \`git version\`, one after another, ${rounds} rounds: started by the process itself, and by the small ` +
    "process that starts the server's commands. The process holds as much memory besides as the row says. " +
    "Held up: the 90th percentile of the delay of a timer of 1 ms meanwhile.",
  run: async (_folder, log) => {
    const rows: Row[] = [];
    const held: Buffer[] = [];
    for (const size of sizes) {
      while (held.length < size) held.push(Buffer.alloc(2 ** 20, 1));
      log(`${size} MiB`);
      const blocked = { direct: [] as number[], launched: [] as number[] };
      const figures = await interleave(rounds, {
        direct: async () => {
          const found = await measure(directly);
          blocked.direct.push(found.blocked);
          return found.each;
        },
        launched: async () => {
          const found = await measure(launched);
          blocked.launched.push(found.blocked);
          return found.each;
        },
      });
      const row = (label: string, own: number, other: number, limit: number | null): Row => ({
        label: `${label}, ${size} MiB`,
        result: `${own.toFixed(1)} ms`,
        baseline: `${other.toFixed(1)} ms`,
        ratio: (own / other).toFixed(2),
        target: limit === null ? "" : `at most ${limit}`,
        met: limit === null ? null : own / other <= limit,
      });
      const isLarge = size > 0;
      rows.push(
        row("A command", median(figures.launched), median(figures.direct), isLarge ? 0.8 : null),
        row("Held up", median(blocked.launched), median(blocked.direct), isLarge ? 0.5 : null),
      );
    }
    return rows;
  },
};
