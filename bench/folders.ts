import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  checkoutDriver,
  type WorktreeDriver,
  type WorktreePaths,
} from "#git/worktree/worktree-driver.js";
import { snapshotFolder } from "#git/snapshot/snapshot-folder.js";
import { overlayDriver } from "#git/worktree/overlay-driver.js";
import { probeOverlay } from "#git/worktree/probe-overlay.js";
import { commitTree, OMOI, resolveTree } from "#git/store/repository.js";
import { startRefUpdates, updateRef, type RefUpdates } from "#git/store/refs.js";
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
import { changeSevenFiles, makeRepository } from "./support/repository.js";

/** Maximum cost of each driver, relative to git. */
const sizes = [
  {
    count: 2000,
    rounds: 11,
    create: { overlay: 0.1, checkout: 0.9 },
    save: { overlay: 1, checkout: 1.1 },
  },
  {
    count: 50_000,
    rounds: 5,
    create: { overlay: 0.02, checkout: 0.9 },
    save: { overlay: 0.4, checkout: 1.1 },
  },
] as const;
type Size = (typeof sizes)[number];
type Name = "overlay" | "checkout";

const many = 1000;
const isRoot = process.getuid?.() === 0;
const owner = isRoot ? { uid: 60_861, gid: 60_861 } : null;

/** Creating and reading working trees by driver, without the API. */
export const folders: Benchmark = {
  name: "folders",
  method:
    "The folder drivers run in the benchmark's process on bare clones of 2 000 and 50 000 files of " +
    "2–8 KB, alternating with `git worktree add --detach` of the same clone. A checkpoint is the " +
    "snapshot, the commit and the branch update, alternating with `git add -A && git commit` in a " +
    "checkout. The overlays' base layer already exists, as for every workspace of a commit except " +
    `the first, which has its own row. The ${many} mounted overlays belong to one project of 2 000 ` +
    "files; the first hundred are compared with the last hundred.",
  run: async (folder, log) => {
    const missing = await probeOverlay("overlay", folder);
    const drivers: [Name, WorktreeDriver][] = [["checkout", checkoutDriver]];
    if (missing === null) drivers.unshift(["overlay", overlayDriver("overlay", owner)]);
    else log(`no overlays: ${missing}`);
    const rows: Row[] = [];
    for (const size of sizes) {
      const place = join(folder, String(size.count));
      await mkdir(place);
      rows.push(...(await measureSize(place, size, drivers, log)));
    }
    if (missing === null) rows.push(...(await measureMany(folder, log)));
    return rows;
  },
};

function placesOf(root: string, repoPath: string, name: string): WorktreePaths {
  return {
    repoPath,
    folder: join(root, "workspaces", name),
    indexFile: join(root, "indexes", `${name}.index`),
    overlay: join(root, "overlays", name),
    lowers: join(root, "lowers"),
  };
}

async function measureSize(
  root: string,
  size: Size,
  drivers: readonly [Name, WorktreeDriver][],
  log: (line: string) => void,
): Promise<Row[]> {
  const { count, rounds } = size;
  log(`a repository of ${count} files`);
  const repoPath = await makeRepository(root, count);
  const commit = (await command("git", ["rev-parse", "main"], repoPath)).trim();
  const files = count.toLocaleString("en-US").replace(",", " ");
  const rows: Row[] = [];
  const kept = new Map<Name, WorktreePaths>();
  for (const [name, driver] of drivers) {
    const places = placesOf(root, repoPath, `kept-${name}`);
    const first = await timed(() => driver.create({ ...places, commit }));
    kept.set(name, places);
    if (name === "overlay")
      rows.push(plain(`… first folder of a commit (${files} files)`, ms(first)));
  }
  const worktree = join(root, "worktree");
  const made = await interleave(rounds, {
    ...Object.fromEntries(
      drivers.map(([name, driver]) => [
        name,
        async (round: number) => {
          const places = placesOf(root, repoPath, `${name}-${round}`);
          const figure = await timed(() => driver.create({ ...places, commit }));
          await driver.remove(places);
          return figure;
        },
      ]),
    ),
    worktree: async (round) => {
      log(`creation, round ${round} of ${rounds}`);
      const args = ["worktree", "add", "--quiet", "--detach", worktree, commit];
      const figure = await timed(() => command("git", args, repoPath));
      await rm(worktree, { recursive: true });
      await command("git", ["worktree", "prune"], repoPath);
      return figure;
    },
  });
  const creation = drivers.map(([name]) =>
    compared({
      label: `Create a folder of ${files} files, ${name}`,
      ours: made[name as "worktree"],
      theirs: made.worktree,
      baseline: "git worktree add",
      target: size.create[name],
    }),
  );
  rows.unshift(...creation);
  for (const [name, driver] of drivers) {
    const bytes = await driver.measure(kept.get(name) as WorktreePaths);
    rows.push({
      label: `… disk usage, ${name}`,
      result: `${(bytes / 2 ** 20).toFixed(2)} MiB`,
      baseline: "",
      ratio: "",
      target: name === "overlay" ? "at most 1 MB" : "",
      met: name === "overlay" ? bytes <= 1e6 : null,
    });
  }
  rows.push(...(await measureTen(root, repoPath, commit, count, drivers)));
  rows.push(...(await measureSaves(root, repoPath, commit, size, drivers, kept, log)));
  for (const [name, driver] of drivers) await driver.remove(kept.get(name) as WorktreePaths);
  return rows;
}

async function measureTen(
  root: string,
  repoPath: string,
  commit: string,
  count: number,
  drivers: readonly [Name, WorktreeDriver][],
): Promise<Row[]> {
  const files = count.toLocaleString("en-US").replace(",", " ");
  const rows: Row[] = [];
  for (const [name, driver] of drivers) {
    const ten = Array.from({ length: 10 }, (_, at) => placesOf(root, repoPath, `ten-${at}`));
    // Ten large checkouts take minutes.
    const figures = await interleave(name === "checkout" && count > 10_000 ? 1 : 2, {
      after: async () => {
        const figure = await timed(async () => {
          for (const places of ten) await driver.create({ ...places, commit });
        });
        for (const places of ten) await driver.remove(places);
        return figure;
      },
      once: async () => {
        const figure = await timed(() =>
          Promise.all(ten.map((places) => driver.create({ ...places, commit }))),
        );
        for (const places of ten) await driver.remove(places);
        return figure;
      },
    });
    rows.push(
      compared({
        label: `Create ten folders of ${files} files concurrently, ${name}`,
        ours: figures.once,
        theirs: figures.after,
        baseline: "in sequence",
        target: 1,
      }),
    );
  }
  return rows;
}

async function measureSaves(
  root: string,
  repoPath: string,
  commit: string,
  { count, rounds, save }: Size,
  drivers: readonly [Name, WorktreeDriver][],
  kept: ReadonlyMap<Name, WorktreePaths>,
  log: (line: string) => void,
): Promise<Row[]> {
  const checkout = join(root, "checkout");
  await command("git", ["clone", "--quiet", "--no-local", repoPath, checkout], root);
  const files = count.toLocaleString("en-US").replace(",", " ");
  const saved = await interleave(rounds, {
    ...Object.fromEntries(
      await Promise.all(
        drivers.map(async ([name, driver]) => {
          const places = kept.get(name) as WorktreePaths;
          const saver = await saverOf(driver, places, commit, name);
          return [
            name,
            async (round: number) => {
              await changeSevenFiles(places.folder, round, count);
              return timed(saver);
            },
          ] as const;
        }),
      ),
    ),
    commit: async (round) => {
      log(`checkpoint, round ${round} of ${rounds}`);
      await changeSevenFiles(checkout, round, count);
      const line = 'git add -A && git commit --quiet -m "Seven files"';
      return timed(() => command("sh", ["-c", line], checkout));
    },
  });
  return drivers.map(([name]) =>
    compared({
      label: `Checkpoint of 7 files among ${files}, ${name}`,
      ours: saved[name as "commit"],
      theirs: saved.commit,
      baseline: "git add -A && git commit",
      target: save[name],
    }),
  );
}

/** Commits the content of a folder to its own branch. */
async function saverOf(
  driver: WorktreeDriver,
  places: WorktreePaths,
  commit: string,
  branch: string,
): Promise<() => Promise<void>> {
  const { repoPath } = places;
  const ref = `refs/heads/bench-${branch}`;
  await updateRef(repoPath, ref, commit, null);
  let head = commit;
  let parentTree = await resolveTree(repoPath, commit);
  return async () => {
    // Like the product: the reference update starts once there are changes.
    let updates: RefUpdates | undefined;
    const begin = (): RefUpdates => (updates ??= startRefUpdates(repoPath));
    const input = { ...places, open: () => driver.open(places), parentTree, onChanges: begin };
    const { tree, changed } = await snapshotFolder(input);
    if (!changed) throw new Error("nothing was found to commit");
    const next = { tree, parents: [head], message: "Seven files", author: OMOI, date: new Date() };
    const sha = await commitTree(repoPath, next);
    await begin().finish([{ ref, newSha: sha, expectedOld: head }]);
    [head, parentTree] = [sha, tree];
  };
}

async function measureMany(folder: string, log: (line: string) => void): Promise<Row[]> {
  const root = join(folder, "many");
  await mkdir(root);
  const repoPath = await makeRepository(root);
  const commit = (await command("git", ["rev-parse", "main"], repoPath)).trim();
  const driver = overlayDriver("overlay", owner);
  await driver.create({ ...placesOf(root, repoPath, "first"), commit });
  const creations: number[] = [];
  const saves: number[] = [];
  for (let number = 0; number < many; number += 1) {
    if (number % 100 === 0) log(`overlay ${number} of ${many}`);
    const places = placesOf(root, repoPath, `agent-${number}`);
    creations.push(await timed(() => driver.create({ ...places, commit })));
    if (number >= 100 && number < many - 100) continue;
    const saver = await saverOf(driver, places, commit, `agent-${number}`);
    await changeSevenFiles(places.folder, number);
    saves.push(await timed(saver));
  }
  const removals: number[] = [];
  for (let number = 0; number < many; number += 1) {
    removals.push(await timed(() => driver.remove(placesOf(root, repoPath, `agent-${number}`))));
  }
  const flat = (label: string, early: readonly number[], late: readonly number[]): Row =>
    compared({
      label: `${label} with ${many} overlays in one project`,
      ours: late,
      theirs: early,
      baseline: "with the first hundred",
      target: 1.3,
    });
  return [
    flat("Creation", creations.slice(0, 100), creations.slice(-100)),
    flat("Checkpoint", saves.slice(0, 100), saves.slice(-100)),
    flat("Removal", removals.slice(-100), removals.slice(0, 100)),
  ];
}

function compared(of: {
  label: string;
  ours: readonly number[];
  theirs: readonly number[];
  baseline: string;
  target: number;
}): Row {
  const [ours, theirs] = [median(of.ours), median(of.theirs)];
  return {
    label: of.label,
    result: ms(ours),
    baseline: `${ms(theirs)}, ${of.baseline}`,
    ratio: `${times(ours / theirs)} (${spread(of.ours, of.theirs)})`,
    target: `at most ${of.target} ×`,
    met: ours / theirs <= of.target,
  };
}

function plain(label: string, result: string): Row {
  return { label, result, baseline: "", ratio: "", target: "", met: null };
}
