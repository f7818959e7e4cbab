import { spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { median, plainEnv, spread, type Benchmark, type Row } from "./support/harness.js";
import { serverKind, startServer } from "./support/server.js";

const rounds = 5;
const idleSeconds = 10;
const targetSeconds = 3;
const targetMiB = 300;
const targetShare = 0.03;
/** Number of ticks in a second of a processor time in /proc. */
const TICKS = 100;

/** The start of the server, and what it uses while idle. */
export const start: Benchmark = {
  name: "start",
  method:
    `From the start of the process (${serverKind}) to "Omoi is ready" on a data folder that was ` +
    `served before: median of ${rounds} starts. The code is one file, beside its compiled modules: from ` +
    `the start of a process until the code is loaded. Memory is the proportional set size (PSS) of the ` +
    `server and all PostgreSQL processes, ${idleSeconds} s after the last start. Processor time is theirs, of ` +
    `the ${idleSeconds} s after that, without a user or a run.`,
  run: async (folder, log) => {
    const dataDir = join(folder, "data");
    log("first start, which creates the database");
    await (await startServer({ dataDir })).stop();
    const ready: number[] = [];
    for (let round = 1; round < rounds; round += 1) {
      log(`start ${round} of ${rounds}`);
      const server = await startServer({ dataDir });
      ready.push(server.readyMs);
      await server.stop();
    }
    const server = await startServer({ dataDir });
    ready.push(server.readyMs);
    try {
      await pause(idleSeconds * 1000);
      const [memory, processor] = [
        await memoryRow(server.pid, dataDir),
        await processorRow(server.pid, dataDir),
      ];
      return [startRow(median(ready)), codeRow(), memory, processor];
    } finally {
      await server.stop();
    }
  },
};

function startRow(readyMs: number): Row {
  return {
    label: "Start of the built server until ready, existing data",
    result: `${(readyMs / 1000).toFixed(2)} s`,
    baseline: "",
    ratio: "",
    target: `at most ${targetSeconds} s`,
    met: readyMs <= targetSeconds * 1000,
  };
}

/** One file must load sooner than its modules; otherwise the build would not need it. */
function codeRow(): Row {
  const dist = join(import.meta.dirname, "../dist/server");
  const [one, many]: [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round += 1) {
    // Ends at its first setting, when everything is loaded.
    const file = timeOf([join(dist, "main.js")], { OMOI_PORT: "none" }, 1);
    const modules = timeOf(["--eval", `import(${JSON.stringify(join(dist, "app.js"))})`], {}, 0);
    // The first round fills the page cache.
    if (round === 0) continue;
    one.push(file);
    many.push(modules);
  }
  const ratio = median(one) / median(many);
  return {
    label: "Load the code of the server",
    result: `${Math.round(median(one))} ms`,
    baseline: `${Math.round(median(many))} ms, as modules`,
    ratio: `${ratio.toFixed(2)} × (${spread(one, many)})`,
    target: "at most 0.8 ×",
    met: ratio <= 0.8,
  };
}

function timeOf(args: string[], env: Record<string, string>, expected: number): number {
  const start = performance.now();
  const { status } = spawnSync(process.execPath, args, { stdio: "ignore", env: plainEnv(env) });
  if (status !== expected) throw new Error(`node ${args.join(" ")} ended with ${status}`);
  return performance.now() - start;
}

async function memoryRow(pid: number, dataDir: string): Promise<Row> {
  const row = { label: `Memory after ${idleSeconds} s idle`, baseline: "", ratio: "" };
  const target = `at most ${targetMiB} MiB`;
  if (process.platform !== "linux") {
    return { ...row, result: "not measured: needs /proc", target, met: null };
  }
  const shares = await Promise.all((await postgresOf(dataDir)).map((one) => memoryOf(one, "Pss")));
  const postgres = shares.reduce((sum, share) => sum + share, 0);
  const server = await memoryOf(pid, "Pss");
  // Other Node processes share the program's pages; alone, the server uses more.
  const alone = await memoryOf(pid, "Rss");
  const mib = (value: number): string => `${Math.round(value)} MiB`;
  return {
    ...row,
    result: `${mib(server + postgres)} (server ${mib(server)}, ${shares.length} PostgreSQL processes ${mib(postgres)}); at most ${mib(alone + postgres)} without another Node process`,
    target,
    met: server + postgres <= targetMiB,
  };
}

async function processorRow(pid: number, dataDir: string): Promise<Row> {
  const row = { label: "Processor time of an idle installation", baseline: "", ratio: "" };
  const target = `at most ${targetShare * 100} % of a core`;
  if (process.platform !== "linux") {
    return { ...row, result: "not measured: needs /proc", target, met: null };
  }
  const used = async (): Promise<[number, number]> => [
    await processorSeconds(pid),
    await processorSeconds(...(await postgresOf(dataDir))),
  ];
  const before = await used();
  await pause(idleSeconds * 1000);
  const after = await used();
  const server = (after[0] - before[0]) / idleSeconds;
  const database = (after[1] - before[1]) / idleSeconds;
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  return {
    ...row,
    result: `${percent(server + database)} of a core (server ${percent(server)}, PostgreSQL ${percent(database)})`,
    target,
    met: server + database <= targetShare,
  };
}

/** Returns PostgreSQL's processes, the first one first. */
async function postgresOf(dataDir: string): Promise<[number, ...number[]]> {
  // From its pid file, independent of its parent process.
  const postmaster = Number.parseInt(
    await readFile(join(dataDir, "postgres/postmaster.pid"), "utf8"),
    10,
  );
  const backends = await childrenOf(postmaster);
  // The checkpointer and writers always exist: fewer processes indicate a failed measurement.
  if (backends.length < 3) {
    const stat = await readFile(`/proc/${postmaster}/stat`, "utf8").catch(String);
    throw new Error(`PostgreSQL ${postmaster} shows ${backends.length} children: ${stat}`);
  }
  return [postmaster, ...backends];
}

/** Returns the processor time that a process, its ended children and some running ones have used. */
async function processorSeconds(pid: number, ...children: readonly number[]): Promise<number> {
  // The times of a process in user and system mode, then those of the children for which it has waited.
  const times = [
    (await statOf(pid)).slice(11, 15),
    ...(await Promise.all(children.map(async (child) => (await statOf(child)).slice(11, 13)))),
  ];
  return times.flat().reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS;
}

/**
 * The fields of a process from its state on, after its name in parentheses, which may contain anything. There
 * are none for a process that has ended.
 */
async function statOf(pid: number): Promise<string[]> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/**
 * Returns a process's memory in MiB: resident (Rss), or proportional (Pss), which divides shared
 * pages among processes.
 */
async function memoryOf(pid: number, kind: "Pss" | "Rss"): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
  const kilobytes = new RegExp(`^${kind}:\\s+(\\d+) kB$`, "m").exec(text)?.[1];
  if (kilobytes === undefined) throw new Error(`the memory of process ${pid} cannot be read`);
  return Number(kilobytes) / 1024;
}

async function childrenOf(pid: number): Promise<number[]> {
  const children: number[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const [, parent] = await statOf(Number(name));
    if (Number(parent) === pid) children.push(Number(name));
  }
  return children;
}
