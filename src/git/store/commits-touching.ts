/** Finds the commits that touched the paths of a conflict. */
import { assertOid } from "../objects/oid.js";
import { compareHistories, type HistoryCommit, type Side } from "./compare-histories.js";
import { readCommits } from "../objects/commit-reader.js";
import { FOLDER, TreeReader } from "../objects/tree-reader.js";
import { spawnGit, type ProcessOptions } from "../process/run.js";
import { displayPath } from "../files/safe-folder.js";

/** Paths that are given to git: more take longer to match than they save. */
const MAX_PATHS = 200;
/** Paths whose display text is the path itself. */
const PLAIN = /^[\x20-\x7e]+$/;

/**
 * For each side and each group of paths, returns the commits reachable from that side only that
 * touch one of the paths or something below it, in no particular order. A merge commit touches only paths that differ from every parent. Paths are display text as in
 * `Conflict.paths`, any number of them. Short histories are read here, others by one git process.
 * @throws GitError
 */
export async function commitsTouching(
  repoPath: string,
  { source, target }: Record<Side, string>,
  groups: readonly (readonly string[])[],
  process: ProcessOptions = {},
): Promise<Record<Side, string[][]>> {
  assertOid(source);
  assertOid(target);
  const result = { source: groups.map((): string[] => []), target: groups.map((): string[] => []) };
  if (groups.length === 0) return result;
  const known = await readHere(repoPath, { source, target }, groups);
  if (known) return known;
  const byPath = new Map<string, number[]>();
  for (const [index, paths] of groups.entries()) {
    for (const path of new Set(paths)) byPath.set(path, [...(byPath.get(path) ?? []), index]);
  }
  const format = "--format=tformat:/%m%H";
  const compare = ["-c", "-r", "--root", "--no-renames", "--name-only", "--no-ext-diff"];
  const range = ["--topo-order", "--left-right", `${source}...${target}`];
  const paths = [...byPath.keys()];
  // git then reads only the folders of the paths. Without simplification every commit that touches
  // one of them is listed.
  const isLimited = paths.length <= MAX_PATHS && paths.every((path) => PLAIN.test(path));
  const limit = isLimited ? ["--full-history", "--stdin"] : [];
  const child = spawnGit(["log", "-z", format, ...compare, ...range, ...limit], {
    gitDir: repoPath,
    timeoutMs: 5 * 60_000,
    ...(isLimited && { input: `--\n${paths.join("\n")}\n` }),
    ...process,
  });
  let commit = "";
  let side: Side = "source";
  const touch = (path: string): void => {
    for (let at = path.length; at > 0; at = path.lastIndexOf("/", at - 1)) {
      for (const index of byPath.get(path.slice(0, at)) ?? []) {
        const commits = result[side][index];
        if (commits !== undefined && commits.at(-1) !== commit) commits.push(commit);
      }
    }
  };
  // The format is `/<side><commit>` and then its paths, after a newline or, for a merge, an empty
  // field. No path in git starts with a slash.
  let first = false;
  const take = (field: string): void => {
    if (field.startsWith("/")) {
      commit = field.slice(2);
      side = field[1] === "<" ? "source" : "target";
    } else if (field !== "") touch(displayPath(first ? field.slice(1) : field));
    first = field.startsWith("/");
  };
  let rest = "";
  try {
    for await (const chunk of child.stdout) {
      const fields = (rest + (chunk as Buffer).toString("latin1")).split("\0");
      rest = fields.pop() ?? "";
      for (const field of fields) take(field);
    }
    if (rest !== "") take(rest);
    await child.done;
  } finally {
    child.kill();
  }
  return result;
}

/** Lookups of a path in a commit; more of them take git less time. */
const MAX_LOOKUPS = 20_000;

/** Same as `commitsTouching`, without starting git; null where git has to answer. */
async function readHere(
  repoPath: string,
  sides: Record<Side, string>,
  groups: readonly (readonly string[])[],
): Promise<Record<Side, string[][]> | null> {
  const paths = [...new Set(groups.flat())];
  if (paths.length > MAX_PATHS || !paths.every((path) => PLAIN.test(path))) return null;
  const histories = await compareHistories(repoPath, sides);
  if (!histories) return null;
  const commits = [...histories.source, ...histories.target];
  const parents = await readCommits(repoPath, [
    ...new Set(commits.flatMap((commit) => commit.parents)),
  ]);
  const roots = new Set([...commits, ...parents.values()].map(({ tree }) => tree));
  if (roots.size * paths.length > MAX_LOOKUPS) return null;
  const trees = new TreeReader(repoPath);
  await trees.load([...roots].map((tree) => ({ tree, paths })));
  const touches = ({ tree, parents: oids }: HistoryCommit, path: string): boolean | null => {
    const own = trees.find(tree, path);
    if (oids.length === 0) return own !== null;
    const before = oids.map((oid) => trees.find(parents.get(oid)?.tree ?? "", path));
    if (before.some((parent) => parent?.oid === own?.oid && parent?.mode === own?.mode))
      return false;
    // Its files may each be equal to those of one parent.
    const isMergedFolder =
      oids.length > 1 && [own, ...before].some((parent) => parent?.mode === FOLDER);
    return isMergedFolder ? null : true;
  };
  const touchedBy = new Map<string, Set<HistoryCommit>>();
  for (const path of paths) {
    const found = new Set<HistoryCommit>();
    for (const commit of commits) {
      const isTouched = touches(commit, path);
      if (isTouched === null) return null;
      if (isTouched) found.add(commit);
    }
    touchedBy.set(path, found);
  }
  const ofSide = (side: Side): string[][] =>
    groups.map((group) =>
      histories[side]
        .filter((commit) => group.some((path) => touchedBy.get(path)?.has(commit)))
        .map(({ oid }) => oid),
    );
  return { source: ofSide("source"), target: ofSide("target") };
}
