/** Parses the output of `git merge-tree` into conflicts, one per decision to make. */
import type { AppliedDrivers, DriverFile } from "./drivers/applied-drivers.js";
import type { RegenerateDriver } from "#shared/code/merge-drivers.js";
import type { TreeEntry } from "../objects/tree-reader.js";
import type { Side } from "../store/compare-histories.js";
import { displayPath } from "../files/safe-folder.js";

/** One side's version of a conflicted path: stage 1 is the base, 2 the target, 3 the source. */
export interface ConflictEntry {
  path: string;
  stage: 1 | 2 | 3;
  /** Six octal digits. */
  mode: string;
  oid: string;
}

/** Paths that are resolved together. */
export interface Conflict {
  /** Display text, sorted; includes the previous names of a renamed file. */
  paths: string[];
  /**
   * `modify/modify`, `modify/delete`, `add/add`, `rename/rename`, `rename/delete`,
   * `directory/file`, `binary`, `mode`, `symbolic_link` or `submodule`.
   */
  kind: string;
  /** The versions recorded by git, at the paths where git placed them. */
  entries: ConflictEntry[];
  /** Why a merge driver did not merge the file, in one sentence. */
  reason?: string;
  /** Input for `applyDecisions`, not part of the public interface. Paths are latin1 bytes. */
  detail: ConflictDetail;
}

/** The result of merging `source` into `target`. */
export interface ComputedMerge {
  /** The commit merged into. */
  target: string;
  /** The commit being merged. */
  source: string;
  /** Their merge bases; more than one after criss-cross merges. */
  bases: string[];
  /** git's result tree; not fit to commit if there are conflicts. */
  tree: string;
  conflicts: Conflict[];
  /** Whether the target already contains the source. */
  upToDate: boolean;
  /** The drivers of the merge; null if attributes of the target applied instead. */
  drivers: AppliedDrivers | null;
  /** The files that drivers applied to, sorted by path. */
  driverFiles: DriverFile[];
  /**
   * The files to be regenerated; as long as there are any, the merge is not complete: neither `conflicts`
   * nor `driverFiles` have them (see `resolveRegenerated`).
   */
  toRegenerate: FileToRegenerate[];
}

/** A file that both sides changed and that is to be regenerated. */
export interface FileToRegenerate {
  /** The path of the merged file, as latin1 bytes of UTF-8. */
  path: string;
  /** The same path as text. */
  name: string;
  driver: RegenerateDriver;
  /** The target's content with the merged mode. */
  target: TreeEntry;
  /** The conflict if the command fails, or if the file is resolved by hand. */
  conflict: Conflict;
}

/** See `Conflict.detail`. */
export interface ConflictDetail {
  /** `placed`: the original path of an entry that git moved out of the way. */
  entries: (ConflictEntry & { placed: string })[];
  /** All paths of the conflict. */
  paths: string[];
  /** Renames on either side: new name → previous names. */
  origins: Record<string, string[]>;
  /** Files that clash with a folder; `moved` is the path to which git moved the file. */
  clashes: { path: string; moved: string; file: Side; contentConflict: boolean }[];
}

/** Renames of one side: new name → old name. */
export type Renames = ReadonlyMap<string, string>;

interface Message {
  paths: string[];
  /** Without surrounding words: `contents`, `modify/delete`, … */
  type: string;
  conflict: boolean;
}

/** The parsed output of `git merge-tree --write-tree -z --messages`; paths are latin1 strings. */
export interface MergeTreeOutput {
  tree: string;
  entries: ConflictEntry[];
  messages: Message[];
}

/** Parses the output; null if it does not start with a tree id (a bad commit). */
export function parseMergeTree(output: string): MergeTreeOutput | null {
  const fields = output.split("\0");
  const tree = fields[0] ?? "";
  if (!/^[0-9a-f]{40}$/.test(tree)) return null;
  const entries: ConflictEntry[] = [];
  let at = 1;
  for (; at < fields.length && fields[at] !== ""; at += 1) {
    const match = /^(\d{6}) ([0-9a-f]{40}) ([123])\t(.*)$/s.exec(fields[at] ?? "");
    if (match === null) throw new Error("unexpected output of git merge-tree");
    const [, mode = "", oid = "", stage, path = ""] = match;
    entries.push({ path, stage: Number(stage) as 1 | 2 | 3, mode, oid });
  }
  const messages: Message[] = [];
  at += 1;
  while (at + 1 < fields.length) {
    const count = Number(fields[at]);
    if (!Number.isInteger(count)) throw new Error("unexpected output of git merge-tree");
    const name = fields[at + 1 + count] ?? "";
    if (name.startsWith("ERROR")) throw new Error(`git merge-tree failed: ${name}`);
    const type = /^CONFLICT ?\((.*)\)$/.exec(name)?.[1];
    const paths = fields.slice(at + 1, at + 1 + count);
    messages.push({ paths, type: type ?? name, conflict: type !== undefined });
    at += count + 3;
  }
  return { tree, entries, messages };
}

/** Disjoint sets of paths (union-find). */
class Groups {
  readonly #parents = new Map<string, string>();

  root(path: string): string {
    let root = path;
    for (let up = this.#parents.get(root); up !== undefined; up = this.#parents.get(root))
      root = up;
    return root;
  }

  join(paths: readonly string[]): void {
    for (const path of paths.slice(1)) {
      const [first, second] = [this.root(paths[0] ?? ""), this.root(path)].sort();
      if (first !== undefined && second !== undefined && first !== second)
        this.#parents.set(second, first);
    }
  }
}

/**
 * Groups related paths into conflicts, sorted by their first paths. Only paths with recorded
 * versions are conflicts. If git could not tell whether files follow a renamed folder, it left both
 * sides' files in place; if a file touched by one side only gave way to a folder, git merged it.
 * Neither needs a decision.
 */
export function groupConflicts(
  output: MergeTreeOutput,
  commits: { target: string; source: string },
  renames: { target: Renames; source: Renames },
): Conflict[] {
  const label = new RegExp(`^(.*)~(${commits.target}|${commits.source})(?:_\\d+)?$`, "s");
  const original = (path: string): string => label.exec(path)?.[1] ?? path;
  const groups = new Groups();
  const all = new Set<string>();
  const origins = new Map<string, Set<string>>();
  const add = (...paths: readonly string[]): void => {
    for (const path of paths) all.add(path);
    groups.join(paths);
  };
  const addOrigin = (path: string, from: string): void => {
    add(path, from);
    origins.set(path, (origins.get(path) ?? new Set()).add(from));
  };

  for (const { path } of output.entries) add(original(path));
  const recorded = new Set(all);
  const real = output.messages.filter(
    ({ conflict, type, paths }) =>
      conflict &&
      !/directory rename/.test(type) &&
      paths.some((path) => recorded.has(original(path))),
  );
  for (const { paths } of real) add(...paths.map(original));
  // A path that git moved because the other side renamed its folder: the message names both.
  for (const { type, paths } of output.messages) {
    const [path, from] = paths;
    if (type !== DIRECTORY_RENAME || path === undefined || from === undefined) continue;
    if (all.has(path)) addOrigin(path, from);
  }
  for (const path of [...all].sort()) {
    for (const from of [renames.target.get(path), renames.source.get(path)]) {
      if (from !== undefined && from !== path) addOrigin(path, from);
    }
  }
  const clashes = real
    .filter(({ type }) => type === "file/directory")
    .map(({ paths }) => clashOf(output, paths, commits, label))
    .filter((clash) => clash !== null);
  for (const { path } of clashes) {
    add(path, ...[...all].filter((descendant) => descendant.startsWith(`${path}/`)));
  }

  const members = new Map<string, string[]>();
  for (const path of [...all].sort()) {
    const root = groups.root(path);
    members.set(root, [...(members.get(root) ?? []), path]);
  }
  return [...members.values()].map((paths) => {
    const inside = new Set(paths);
    const entries = output.entries
      .filter(({ path }) => inside.has(original(path)))
      .map((entry) => ({ ...entry, placed: original(entry.path) }));
    const messages = real.filter(({ paths: named }) =>
      named.some((path) => inside.has(original(path))),
    );
    const from = paths.flatMap((path) => {
      const found = origins.get(path);
      return found === undefined ? [] : [[path, [...found].sort()] as const];
    });
    return {
      paths: paths.map(displayPath).sort(),
      kind: kindOf(messages, entries, paths, renames),
      entries: entries.map(({ path, stage, mode, oid }) => ({
        path: displayPath(path),
        stage,
        mode,
        oid,
      })),
      detail: {
        entries,
        paths,
        origins: Object.fromEntries(from),
        clashes: clashes.filter(({ path }) => inside.has(path)),
      },
    };
  });
}

const DIRECTORY_RENAME = "Path updated due to directory rename";

function clashOf(
  output: MergeTreeOutput,
  paths: readonly string[],
  commits: { target: string; source: string },
  label: RegExp,
): ConflictDetail["clashes"][number] | null {
  const moved = paths.find((path) => label.test(path));
  const match = moved === undefined ? null : label.exec(moved);
  if (moved === undefined || match === null) return null;
  const others = output.messages.filter(
    ({ conflict, paths: named, type }) =>
      conflict && type !== "file/directory" && type !== "modify/delete" && named.includes(moved),
  );
  const stages = new Set(
    output.entries.filter(({ path }) => path === moved).map(({ stage }) => stage),
  );
  return {
    path: match[1] ?? "",
    moved,
    file: match[2] === commits.target ? "target" : "source",
    contentConflict: others.length > 0 || (stages.has(2) && stages.has(3)),
  };
}

/** Derives the kind of a conflict from the most specific message. */
function kindOf(
  messages: readonly Message[],
  entries: ConflictDetail["entries"],
  paths: readonly string[],
  renames: { target: Renames; source: Renames },
): string {
  const said = (...types: string[]): boolean => messages.some(({ type }) => types.includes(type));
  const stage = (number: number) => entries.filter((entry) => entry.stage === number);
  const [ours, theirs] = [stage(2), stage(3)];
  const modes = new Set([...ours, ...theirs].map(({ mode }) => mode));
  const bothRenamed = paths.some(
    (path) =>
      renames.target.has(path) &&
      renames.source.has(path) &&
      renames.target.get(path) !== renames.source.get(path),
  );
  if (said("file/directory")) return "directory/file";
  if (said("rename/rename", "rename involved in collision") || bothRenamed) return "rename/rename";
  if (said("rename/delete")) return "rename/delete";
  if (said("modify/delete")) return "modify/delete";
  if (ours.length === 0 || theirs.length === 0) return "modify/delete";
  if (modes.has("160000")) return "submodule";
  if (modes.has("120000")) return "symbolic_link";
  if (said("binary")) return "binary";
  if (ours[0]?.oid === theirs[0]?.oid && ours[0]?.mode !== theirs[0]?.mode) return "mode";
  if (stage(1).length > 0) return "modify/modify";
  return "add/add";
}
