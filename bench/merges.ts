import { join } from "node:path";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import type { Client } from "#shared/contract/client.js";
import {
  command,
  interleave,
  median,
  ms,
  spread,
  timed,
  times,
  type Benchmark,
  type Row,
} from "./support/harness.js";
import { importProject, makeRepository, repositoryPaths } from "./support/repository.js";
import { withServer } from "./support/server.js";

const conflicts = 3;
const parallel = 24;
const sizes = [
  { count: 2000, merges: 30, conflicting: 0.8, clean: 0.6 },
  { count: 50_000, merges: 10, conflicting: 0.2, clean: 0.2 },
] as const;
type Size = (typeof sizes)[number];

/** Merges through the API, beside git in a checkout. */
export const merging: Benchmark = {
  name: "merges",
  method:
    "POST …/merges from the request to the answer, on imported repositories of 2 000 and 50 000 files, in turn " +
    "with `git merge` in a checkout of an equal clone on the same disk; each merges another branch into main. " +
    `With conflicts: every branch changes the first line of the same ${conflicts} files, and the branch wins; ` +
    "by hand by `git checkout --theirs`, `git add` and `git commit`. Clean: each branch changes a file of its " +
    "own. The agents' folders are saved before. Both give the same files. At once: " +
    `${parallel} clean merges into one branch requested together, against the same number one after another.`,
  run: async (folder, log) => {
    const rows: Row[] = [];
    for (const size of sizes) {
      const place = join(folder, String(size.count));
      await mkdir(place);
      rows.push(...(await measureSize(place, size, log)));
    }
    return rows;
  },
};

interface Agents {
  api: Client;
  project_id: string;
}

async function measureSize(
  folder: string,
  { count, merges, conflicting, clean }: Size,
  log: (line: string) => void,
): Promise<Row[]> {
  const source = await makeRepository(folder, count);
  const checkout = join(folder, "checkout");
  await command("git", ["clone", "--quiet", "--no-local", source, checkout], folder);
  const options = { dataDir: join(folder, "data"), env: { OMOI_IMPORT_ROOTS: folder } };
  const files = count.toLocaleString("en-US").replace(",", " ");
  return withServer(options, async (_server, api) => {
    const project_id = await importProject(api, source);
    const agents: Agents = { api, project_id };
    const both = async (kind: "conflict" | "clean"): Promise<[number[], number[]]> => {
      // One more for the change of main that all others conflict with, and one to warm up.
      const names = Array.from({ length: merges + 2 }, (_, number) => `${kind}-${number}`);
      const ids: string[] = [];
      for (const [number, name] of names.entries()) {
        const edit = editOf(kind, number, name);
        ids.push(await addAgent(agents, name, edit));
        await addBranch(checkout, name, edit);
      }
      log(`${files} files: ${names.length} branches for ${kind} merges`);
      await mergeHere(agents, ids[0] as string);
      await mergeThere(checkout, names[0] as string);
      const figures = await interleave(merges, {
        ours: (round) => timed(() => mergeHere(agents, ids[round + 1] as string)),
        theirs: (round) => timed(() => mergeThere(checkout, names[round + 1] as string)),
      });
      return [figures.ours, figures.theirs];
    };
    const rows: Row[] = [];
    for (const [kind, target] of [
      ["conflict", conflicting],
      ["clean", clean],
    ] as const) {
      const [ours, theirs] = await both(kind);
      const ratio = median(ours) / median(theirs);
      const what = kind === "clean" ? "A clean merge" : `A merge with ${conflicts} conflicts`;
      rows.push({
        label: `${what}, ${files} files, through the API`,
        result: ms(median(ours)),
        baseline: `${ms(median(theirs))}, git merge in a checkout`,
        ratio: `${times(ratio)} (${spread(ours, theirs)})`,
        target: `at most ${target} ×`,
        met: ratio <= target,
      });
    }
    await requireEqualTrees(options.dataDir, checkout);
    return count === sizes[0].count ? [...rows, await atOnce(agents, log)] : rows;
  });
}

type Edit = (read: (path: string) => Promise<string>) => Promise<[path: string, text: string][]>;

/** The first line of three files, the same for all, or of one file of the branch's own. */
function editOf(kind: "conflict" | "clean", number: number, name: string): Edit {
  const paths =
    kind === "conflict"
      ? repositoryPaths.slice(0, conflicts)
      : [repositoryPaths[conflicts + number] as string];
  return (read) =>
    Promise.all(
      paths.map(async (path): Promise<[string, string]> => [
        path,
        (await read(path)).replace(/^.*$/m, `// ${name}`),
      ]),
    );
}

async function writeEdit(folder: string, edit: Edit): Promise<void> {
  const changed = await edit((path) => readFile(join(folder, path), "utf8"));
  for (const [path, text] of changed) await writeFile(join(folder, path), text);
}

/** Creates an agent with a workspace whose branch has one commit. */
async function addAgent({ api, project_id }: Agents, name: string, edit: Edit): Promise<string> {
  const { data: agent } = await api.agents.create({ body: { project_id, name } });
  const params = { agent_id: agent.id };
  const { data: workspace } = await api.workspaces.create({ params });
  await writeEdit(workspace.working_directory as string, edit);
  await api.workspaces.createCommit({ params, body: { commit_type: "checkpoint" } });
  return agent.id;
}

async function addBranch(checkout: string, name: string, edit: Edit): Promise<void> {
  await command("git", ["checkout", "--quiet", "-b", name, "main"], checkout);
  await writeEdit(checkout, edit);
  await command("git", ["commit", "--quiet", "--all", "-m", name], checkout);
  await command("git", ["checkout", "--quiet", "main"], checkout);
}

async function mergeHere({ api }: Agents, agent_id: string): Promise<void> {
  await api.workspaces.createMerge({ params: { agent_id }, body: {} });
}

async function mergeThere(checkout: string, branch: string): Promise<void> {
  const line =
    `git merge --quiet --no-edit ${branch} >/dev/null || ` +
    "{ git checkout --quiet --theirs -- . && git add --all && git commit --quiet --no-edit; }";
  await command("sh", ["-c", line], checkout);
}

/** @throws Error unless main has the same files in the only project and in the checkout */
async function requireEqualTrees(dataDir: string, checkout: string): Promise<void> {
  const repositories = join(dataDir, "repositories");
  const found = await readdir(repositories, { recursive: true });
  const repoPath = join(repositories, found.find((path) => path.endsWith(".git")) as string);
  const trees = [repoPath, checkout].map(async (repository) =>
    (await command("git", ["rev-parse", "main^{tree}"], repository)).trim(),
  );
  const [ours, theirs] = await Promise.all(trees);
  if (ours !== theirs) throw new Error("the two do not give the same files");
}

/** The throughput of merges into one branch that are requested at once. */
async function atOnce(agents: Agents, log: (line: string) => void): Promise<Row> {
  const batch = async (name: string): Promise<string[]> => {
    const ids: string[] = [];
    for (let number = 0; number < parallel; number += 1) {
      const path = repositoryPaths[500 + number] as string;
      const edit: Edit = async (read) => [
        [path, (await read(path)).replace(/^.*$/m, `// ${name}-${number}`)],
      ];
      ids.push(await addAgent(agents, `${name}-${number}`, edit));
    }
    return ids;
  };
  const together = async (ids: string[]): Promise<unknown> =>
    Promise.all(ids.map((id) => mergeHere(agents, id)));
  await together(await batch("warm-up"));
  const figures = await interleave(7, {
    together: async (round) => {
      log(`${parallel} merges at once: round ${round}`);
      const ids = await batch(`together-${round}`);
      return timed(() => together(ids));
    },
    sequential: async (round) => {
      const ids = await batch(`sequential-${round}`);
      return timed(async () => {
        for (const id of ids) await mergeHere(agents, id);
      });
    },
  });
  const [whole, inTurn] = [median(figures.together), median(figures.sequential)];
  const rate = (took: number): string => `${((parallel / took) * 1000).toFixed(1)} merges/s`;
  return {
    label: `${parallel} clean merges into one branch at once`,
    result: rate(whole),
    baseline: `${rate(inTurn)}, one after another`,
    ratio: `${times(inTurn / whole)} (${spread(figures.sequential, figures.together)})`,
    target: "at least 1.5 ×",
    met: inTurn / whole >= 1.5,
  };
}
