import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Client } from "#shared/contract/client.js";
import { command } from "./harness.js";

const fileCount = 2000;
const areas = ["auth", "billing", "catalog", "search", "orders", "mail", "reports", "admin"];
const layers = ["routes", "service", "repository", "model", "events", "jobs", "views", "format"];

/** Returns a random generator with a fixed seed: every run uses the same repository. */
export function drawer(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    // Marsaglia's xorshift, 32 bits
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function sourceFile(number: number, draw: (below: number) => number): string {
  const size = 2048 + draw(6 * 1024);
  let text = `import { readRows, writeRow } from "../store/table${number % 40}.js";\n\n`;
  for (let part = 0; text.length < size; part += 1) {
    const [one, other, limit] = [draw(1_000_000), draw(1_000_000), draw(5000)];
    text += `/** Part ${part} of module ${number}: rows from ${one} on, at most ${limit}. */
export async function step${part}_${one.toString(36)}(input: Request): Promise<number> {
  const rows = await readRows("t${other.toString(36)}", { after: ${one}, limit: ${limit} });
  const kept = rows.filter((row) => row.weight > ${draw(1000)} && row.kind !== "k${draw(99)}");
  for (const row of kept) await writeRow(row.id, { ...row, seen: input.time, by: ${other} });
  return kept.length;
}\n\n`;
  }
  return text;
}

/** Returns the path of a file of the repository, the same in each run. */
function pathOf(number: number): string {
  const area = areas[number % areas.length] ?? "";
  const layer = layers[(number >> 3) % layers.length] ?? "";
  const group = `group${(number >> 6) % 8}`;
  const folder = number % 5 === 0 ? "test" : "src";
  return `${folder}/${area}/${layer}/${group}/module-${number}.ts`;
}

/** The paths of the repository with 2 000 files. */
export const repositoryPaths: readonly string[] = Array.from({ length: fileCount }, (_, number) =>
  pathOf(number),
);

/** Creates a bare repository with one commit of 2 000 files, or `count`, packed like a clone. */
export async function makeRepository(folder: string, count = fileCount): Promise<string> {
  const checkout = join(folder, "original");
  const draw = drawer(20_251);
  for (let number = 0; number < count; number += 1) {
    const file = join(checkout, pathOf(number));
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, sourceFile(number, draw));
  }
  await command("git", ["init", "--quiet", "--initial-branch=main"], checkout);
  await command("git", ["add", "-A"], checkout);
  await command("git", ["commit", "--quiet", "-m", `${count} files`], checkout);
  await command(
    "git",
    ["clone", "--quiet", "--bare", "--no-local", checkout, "source.git"],
    folder,
  );
  return join(folder, "source.git");
}

/** Imports a repository below an allowed root as a project, and waits for it. */
export async function importProject(api: Client, repository: string): Promise<string> {
  const { data: organization } = await api.organizations.create({ body: { name: "Bench" } });
  const { data: project } = await api.projects.create({
    body: {
      organization_id: organization.id,
      name: "Two thousand files",
      import_url: `file://${repository}`,
    },
  });
  const params = { project_id: project.id };
  const giveUp = Date.now() + 60_000;
  for (;;) {
    const { data } = await api.projects.get({ params });
    if (data.status === "ready") return project.id;
    if (data.status === "failed" || Date.now() > giveUp) {
      throw new Error(`the import is ${data.status}: ${data.error ?? ""}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Changes a line in seven files, different ones in each round. */
export async function changeSevenFiles(
  folder: string,
  round: number,
  count = fileCount,
): Promise<void> {
  for (let number = 0; number < 7; number += 1) {
    const file = join(folder, pathOf(((round * 7 + number) * 37) % count));
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replace(/\n/, `\n// changed in round ${round}\n`));
  }
}
