import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listMounts, unmount } from "#git/worktree/mounts.js";

/** One line of the results: the measurement, its baseline, and whether the target is met. */
export interface Row {
  label: string;
  result: string;
  baseline: string;
  ratio: string;
  target: string;
  /** Null for a line without a target. */
  met: boolean | null;
}

export interface Benchmark {
  name: string;
  /** The method in a sentence or two, printed below the table. */
  method: string;
  /** `folder` is private and removed afterwards; `log` reports progress. */
  run(folder: string, log: (line: string) => void): Promise<Row[]>;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[middle - 1], sorted[middle]];
  if (high === undefined) throw new Error("nothing was measured");
  return sorted.length % 2 === 0 && low !== undefined ? (low + high) / 2 : high;
}

/**
 * Measures several things in turn, so that disturbances affect all of them; the first round warms
 * up and is dropped. Returns the figures of each.
 */
export async function interleave<Name extends string>(
  rounds: number,
  measurements: Record<Name, (round: number) => Promise<number>>,
): Promise<Record<Name, number[]>> {
  const entries = Object.entries(measurements) as [Name, (round: number) => Promise<number>][];
  const figures = Object.fromEntries(entries.map(([name]) => [name, [] as number[]])) as Record<
    Name,
    number[]
  >;
  for (let round = 0; round <= rounds; round += 1) {
    // In alternating order: coming second must not be an advantage.
    for (const [name, measure] of round % 2 === 0 ? entries : entries.toReversed()) {
      const figure = await measure(round);
      if (round > 0) figures[name].push(figure);
    }
  }
  return figures;
}

/** Returns the milliseconds that some work takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Runs a program; rejects with its standard error if it fails. */
export async function command(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<string> {
  const child = spawn(program, args, {
    cwd,
    env: plainEnv(env),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let problem = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (problem += text));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (code !== 0)
    throw new Error(`${program} ${args[0] ?? ""} failed (${code}): ${problem.trim()}`);
  return out;
}

/** Returns the environment without Omoi's settings and without the user's git configuration. */
export function plainEnv(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const env = Object.entries(process.env).filter(([name]) => !/^(OMOI|GIT)_/.test(name));
  return {
    ...Object.fromEntries(env),
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_AUTHOR_NAME: "Bench",
    GIT_AUTHOR_EMAIL: "bench@example.com",
    GIT_COMMITTER_NAME: "Bench",
    GIT_COMMITTER_EMAIL: "bench@example.com",
    ...more,
  };
}

/** Runs work with a temporary folder, which is removed afterwards. */
export async function inFolder<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), "omoi-bench-"));
  try {
    return await work(folder);
  } finally {
    for (const mount of await listMounts(folder)) await unmount(mount);
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Formats the interquartile range of the ratio between two series. If it includes the target, one
 * run is inconclusive.
 */
export function spread(ours: readonly number[], theirs: readonly number[]): string {
  const ratios = ours.map((value, round) => value / (theirs[round] ?? Number.NaN));
  const sorted = ratios.toSorted((one, other) => one - other);
  const at = (part: number): number => sorted[Math.round((sorted.length - 1) * part)] ?? Number.NaN;
  return `${at(0.25).toFixed(2)}–${at(0.75).toFixed(2)}`;
}

export const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
export const times = (value: number): string => `${value.toFixed(2)} ×`;
