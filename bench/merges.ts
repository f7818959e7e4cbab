import { join } from "node:path";
import { cp, readFile, writeFile } from "node:fs/promises";
import { applyDecisions, computeMerge, commitsTouching, type Decision } from "#git/merge/merge.js";
import { commitTree, OMOI, resolveCommit } from "#git/store/repository.js";
import { startRefUpdates } from "#git/store/refs.js";
import {
  command,
  interleave,
  median,
  ms,
  spread,
  times,
  type Benchmark,
} from "./support/harness.js";
import { makeRepository, repositoryPaths } from "./support/repository.js";

const merges = 100;
const conflicts = 3;
const rounds = 3;
const main = "refs/heads/main";

/** Many branches that conflict with main, merged one after another. */
export const merging: Benchmark = {
  name: "merges",
  method:
    `${merges} branches on a repository of 2 000 files, each of which changes the same line of ${conflicts} files that ` +
    "main changed: merged into main one after another, ours by merge-tree, decisions and a commit in the bare " +
    "store (what the server does but for its rows in the database), in turn with a loop of `git merge`, " +
    "`git checkout --theirs`, `git add` and `git commit` in a checkout. Both give the same files. " +
    `${rounds} rounds, each from a fresh copy.`,
  run: async (folder, log) => {
    const source = await makeRepository(folder);
    await addBranches(folder, source);
    log(`${merges} branches are there`);
    const fresh = async (name: string): Promise<string> => {
      const copy = join(folder, name);
      await cp(source, copy, { recursive: true });
      return copy;
    };
    let trees = { ours: "", theirs: "" };
    const figures = await interleave(rounds, {
      ours: async (round) => {
        const repoPath = await fresh(`ours-${round}.git`);
        const begin = performance.now();
        for (let number = 0; number < merges; number += 1) await mergeHere(repoPath, number);
        const took = performance.now() - begin;
        trees = { ...trees, ours: await treeOf(repoPath) };
        return took / merges;
      },
      theirs: async (round) => {
        const repoPath = await fresh(`theirs-${round}.git`);
        const checkout = join(folder, `checkout-${round}`);
        await command("git", ["clone", "--quiet", "--no-local", repoPath, checkout], folder);
        log(`round ${round} of ${rounds}`);
        const begin = performance.now();
        for (let number = 0; number < merges; number += 1) await mergeThere(checkout, number);
        const took = performance.now() - begin;
        trees = { ...trees, theirs: await treeOf(checkout) };
        return took / merges;
      },
    });
    if (trees.ours !== trees.theirs) throw new Error("the two do not give the same files");
    const [ours, theirs] = [median(figures.ours), median(figures.theirs)];
    return [
      {
        what: `A merge with ${conflicts} conflicts, ${merges} one after another`,
        measured: ms(ours),
        against: `${ms(theirs)}, git merge in a checkout`,
        ratio: `${times(ours / theirs)} (${spread(figures.ours, figures.theirs)})`,
        target: "at most 0.45 ×",
        met: ours / theirs <= 0.45,
      },
    ];
  },
};

const branchOf = (number: number): string => `agent-${number}`;

async function treeOf(repository: string): Promise<string> {
  return (await command("git", ["rev-parse", "main^{tree}"], repository)).trim();
}

/** Changes the first line of some files on main and, differently, on every branch. */
async function addBranches(folder: string, repository: string): Promise<void> {
  const checkout = join(folder, "branches");
  const git = (...args: string[]) => command("git", args, checkout);
  await command("git", ["clone", "--quiet", "--no-local", repository, checkout], folder);
  const files = repositoryPaths.slice(0, conflicts).map((path) => join(checkout, path));
  const commit = async (word: string): Promise<void> => {
    for (const file of files) {
      const text = await readFile(file, "utf8");
      await writeFile(file, text.replace(/^.*$/m, `// ${word}`));
    }
    await git("commit", "--quiet", "--all", "-m", word);
  };
  for (let number = 0; number < merges; number += 1) {
    await git("checkout", "--quiet", "-B", branchOf(number), "origin/main");
    await commit(`by agent ${number}`);
  }
  await git("checkout", "--quiet", "-B", "main", "origin/main");
  await commit("by main");
  await git("push", "--quiet", "origin", "main", "refs/heads/agent-*:refs/heads/agent-*");
}

async function mergeHere(repoPath: string, number: number): Promise<void> {
  const target = (await resolveCommit(repoPath, main)) as string;
  const source = (await resolveCommit(repoPath, `refs/heads/${branchOf(number)}`)) as string;
  const merge = await computeMerge(repoPath, target, source);
  const groups = merge.conflicts.map(({ paths }) => paths);
  // The ages of both sides; here the workspace is newer.
  await commitsTouching(repoPath, { source, target }, groups);
  const decisions = merge.conflicts.map((): Decision => ({ take: "source" }));
  const labels = { source: branchOf(number), target: "main" };
  const { tree } = await applyDecisions(repoPath, merge, decisions, labels);
  const message = `Merge ${branchOf(number)} into main`;
  const commit = { tree, parents: [target, source], message, author: OMOI, date: new Date() };
  const updates = startRefUpdates(repoPath);
  const newSha = await commitTree(repoPath, commit);
  await updates.finish([{ ref: main, newSha, expectedOld: target }]);
}

async function mergeThere(checkout: string, number: number): Promise<void> {
  const branch = `origin/${branchOf(number)}`;
  // Exits with 1 on conflicts.
  await command("git", ["merge", "--quiet", "--no-edit", branch], checkout).catch(() => undefined);
  await command("git", ["checkout", "--quiet", "--theirs", "--", "."], checkout);
  await command("git", ["add", "--all"], checkout);
  await command("git", ["commit", "--quiet", "--no-edit"], checkout);
}
