/** Builds the tree of a merge once every conflict is resolved. */
import { assertOid } from "../objects/oid.js";
import type { Side } from "../store/compare-histories.js";
import type { ComputedMerge, Conflict } from "./merge-conflicts.js";
import { patchTree } from "../objects/patch-tree.js";
import { displayPath } from "../files/safe-folder.js";
import {
  FOLDER,
  listTree,
  TreeReader,
  withAncestors,
  type TreeEntry,
} from "../objects/tree-reader.js";

/**
 * The resolution of one conflict: one side wins, or a blob of the repository replaces all paths of
 * the conflict at one path (text, relative to the top).
 */
export type Decision =
  | { take: "source" | "target" }
  | { take: "content"; path: string; oid: string; mode: string };

/** Whether the losing side had content, or had deleted the file that the winner kept. */
export type Loser = "kept" | "deletion";

/**
 * Applies one decision to each conflict of `merge`, in their order, and returns the tree id. All
 * paths of a conflict take the winner's version: whole content, mode, link or gitlink, at the path
 * where git placed it. If a file and a folder clash, the winner keeps the path and the other is
 * kept beside it as `<path>~<label>`, with `_0`, `_1`, … if that name is taken. Labels name the
 * sides (branches; `/` becomes `_`). Text that git combined from both sides (conflict markers) is
 * never used.
 *
 * Deterministic: equal input gives an equal tree.
 * @throws TypeError for a wrong number of decisions, or content for another path
 * @throws GitError
 */
export async function applyDecisions(
  repoPath: string,
  merge: ComputedMerge,
  decisions: readonly Decision[],
  labels: { source: string; target: string },
): Promise<{ tree: string; losers: Loser[] }> {
  const { conflicts } = merge;
  if (decisions.length !== conflicts.length) throw new TypeError("one decision for each conflict");
  if (conflicts.length === 0) return { tree: merge.tree, losers: [] };
  const names = conflicts.flatMap(({ detail }) => [
    ...detail.paths,
    ...detail.entries.map(({ path }) => path),
  ]);
  const trees = new TreeReader(repoPath);
  await trees.load([
    { tree: merge.target, paths: names },
    { tree: merge.source, paths: names },
    { tree: merge.tree, paths: [...names, ""] },
  ]);
  const plan = new Plan(repoPath, merge, trees, labels);
  const losers: Loser[] = [];
  for (const [index, conflict] of conflicts.entries()) {
    const decision = decisions[index];
    if (decision === undefined) throw new TypeError("one decision for each conflict");
    await plan.decide(conflict, decision);
    losers.push(loserOf(conflict, decision));
  }
  plan.restore();
  return { tree: await patchTree(repoPath, merge.tree, plan.edits, trees), losers };
}

function loserOf({ detail }: Conflict, decision: Decision): Loser {
  if (decision.take === "content" || detail.clashes.length > 0) return "kept";
  const stage = decision.take === "target" ? 3 : 2;
  return detail.entries.some((entry) => entry.stage === stage) ? "kept" : "deletion";
}

/** Edits to git's merge result: path (latin1 bytes) → new entry, or null to remove it. */
class Plan {
  readonly edits = new Map<string, TreeEntry | null>();
  /**
   * The winners' files that git had moved onto another file's path, and which did not get that
   * path.
   */
  readonly #displaced: { path: string; entry: TreeEntry; side: Side }[] = [];
  readonly #store: string;
  readonly #merge: ComputedMerge;
  readonly #trees: TreeReader;
  readonly #labels: { source: string; target: string };

  constructor(
    repoPath: string,
    merge: ComputedMerge,
    trees: TreeReader,
    labels: { source: string; target: string },
  ) {
    this.#store = repoPath;
    this.#merge = merge;
    this.#trees = trees;
    this.#labels = labels;
  }

  async decide({ detail }: Conflict, decision: Decision): Promise<void> {
    for (const { path } of detail.entries) this.edits.set(path, null);
    const content = decision.take === "content" ? decision : null;
    const contentPath = content && pathOf(detail, content);
    const clashed = new Set(detail.clashes.map(({ moved }) => moved));
    const below = (path: string): Side | null => {
      const clash = detail.clashes.find((clash) => path.startsWith(`${clash.path}/`));
      return clash === undefined ? null : otherSide(clash.file);
    };
    // Files inside a clashing folder belong to that side, whether the folder keeps its path or
    // moves.
    const plain = detail.entries.filter(({ path }) => !clashed.has(path));
    for (const side of ["target", "source"] as const) {
      const own = plain.filter(({ placed }) => below(placed) === side);
      this.#place(side, own, [], {});
    }
    if (decision.take !== "content") {
      const rest = plain.filter(({ placed }) => below(placed) === null);
      const others = detail.paths.filter((path) => below(path) === null);
      const taken = new Set(detail.clashes.map(({ path }) => path));
      const free = others.filter((path) => !taken.has(path));
      this.#place(decision.take, rest, free, detail.origins);
    }
    for (const clash of detail.clashes) {
      const winner = decision.take === "content" ? null : decision.take;
      const fileWins = winner === clash.file || contentPath === clash.path;
      await this.#separate(clash, detail, fileWins, contentPath === clash.path);
    }
    if (content !== null && contentPath !== null) {
      this.edits.set(contentPath, { mode: content.mode, oid: content.oid });
    }
  }

  /**
   * Places the winner's files where git put them. `paths` are all paths of the conflict; other
   * files of the winner at these paths are restored at the end.
   */
  #place(
    winner: Side,
    entries: Conflict["detail"]["entries"],
    paths: readonly string[],
    origins: Readonly<Record<string, string[]>>,
  ): void {
    const commit = this.#merge[winner];
    const used = new Set<string>();
    const stage = winner === "target" ? 2 : 3;
    const mine = entries.filter((entry) => entry.stage === stage);
    for (const { placed, mode, oid } of mine) {
      const from = [placed, ...ancestry(placed, origins)].find(
        (path) => !used.has(path) && this.#trees.findFile(commit, path) !== null,
      );
      const own = from === undefined ? null : this.#trees.findFile(commit, from);
      if (from !== undefined) used.add(from);
      this.edits.set(placed, own ?? { mode, oid });
    }
    for (const path of paths) {
      const entry = this.#trees.findFile(commit, path);
      if (entry !== null && !used.has(path)) this.#displaced.push({ path, entry, side: winner });
    }
  }

  /** Restores displaced files after all decisions: at their path, or beside it. */
  restore(): void {
    const isFile = (path: string): boolean =>
      this.edits.has(path)
        ? this.edits.get(path) !== null
        : this.#trees.findFile(this.#merge.tree, path) !== null;
    for (const { path, entry, side } of this.#displaced) {
      if (isFile(path)) continue;
      const above = withAncestors(path).slice(1).find(isFile);
      const below =
        this.#trees.find(this.#merge.tree, path)?.mode === FOLDER ||
        [...this.edits].some(([name, edit]) => edit !== null && name.startsWith(`${path}/`));
      const free = above ?? (below ? path : null);
      const place = free && `${this.#freeName(free, side)}${path.slice(free.length)}`;
      this.edits.set(place ?? path, entry);
    }
  }

  /** A file and a folder claim one path: the winner gets it, the other moves beside it. */
  async #separate(
    clash: Conflict["detail"]["clashes"][number],
    detail: Conflict["detail"],
    fileWins: boolean,
    contentGiven: boolean,
  ): Promise<void> {
    const { path, moved, file } = clash;
    const stage = file === "target" ? 2 : 3;
    const recorded = detail.entries.find((entry) => entry.path === moved && entry.stage === stage);
    const own = this.#trees.findFile(this.#merge[file], path);
    const entry = clash.contentConflict ? (own ?? recorded) : (recorded ?? own);
    const content = entry ? { mode: entry.mode, oid: entry.oid } : null;
    if (!fileWins) {
      if (content !== null) this.edits.set(this.#freeName(path, file), content);
      return;
    }
    const beside = this.#freeName(path, otherSide(file));
    const folder = this.#trees.find(this.#merge.tree, path);
    const files = new Map<string, TreeEntry | null>();
    if (folder?.mode === FOLDER) {
      for (const [name, found] of await listTree(this.#store, folder.oid)) {
        files.set(`${path}/${name}`, found);
      }
    }
    for (const [name, edit] of this.edits) if (name.startsWith(`${path}/`)) files.set(name, edit);
    for (const [name, found] of files) {
      this.edits.set(name, null);
      if (found !== null) this.edits.set(`${beside}${name.slice(path.length)}`, found);
    }
    if (!contentGiven && content !== null) this.edits.set(path, content);
  }

  /** Returns `<path>~<label>`, with a counter until the name is free. */
  #freeName(path: string, side: Side): string {
    const text = this.#labels[side].replaceAll("/", "_").replaceAll("\0", "");
    const name = `${path}~${Buffer.from(text, "utf8").toString("latin1")}`;
    const taken = (candidate: string): boolean =>
      /(?:^|\/)git~\d+$/i.test(candidate) ||
      this.#trees.find(this.#merge.tree, candidate) !== null ||
      [...this.edits.keys()].some((key) => key === candidate || key.startsWith(`${candidate}/`));
    if (!taken(name)) return name;
    for (let count = 0; ; count += 1) if (!taken(`${name}_${count}`)) return `${name}_${count}`;
  }
}

/** The path that the content is for, in bytes; it must be one of the conflict's. */
function pathOf(detail: Conflict["detail"], content: Decision & { take: "content" }): string {
  assertOid(content.oid);
  if (!/^(?:100644|100755|120000)$/.test(content.mode)) throw new TypeError("not a file's mode");
  const path = detail.paths.find((shown) => displayPath(shown) === content.path);
  if (path === undefined) throw new TypeError("content is given for a path without conflict");
  return path;
}

function otherSide(side: Side): Side {
  return side === "target" ? "source" : "target";
}

/** The previous names of a path, nearest first. */
function ancestry(path: string, origins: Readonly<Record<string, string[]>>): string[] {
  const found: string[] = [];
  const pending = [path];
  for (let at = pending.shift(); at !== undefined; at = pending.shift()) {
    for (const from of Object.hasOwn(origins, at) ? (origins[at] ?? []) : []) {
      if (from === path || found.includes(from)) continue;
      found.push(from);
      pending.push(from);
    }
  }
  return found;
}
