/** What differs between two states of a store: counts, files with patches, and raw text. */
import { Readable } from "node:stream";
import { isOid, isRefName } from "../store/bare-repository.js";
import { DiffReader, type FileDiff } from "./diff-reader.js";
import { EMPTY_TREE, git, type GitProcess, keptOutput, spawnGit } from "../process/run.js";

export type { FileDiff } from "./diff-reader.js";

/** How much differs. A rename is one file; binary files count no lines. */
export interface DiffStats {
  files_changed: number;
  additions: number;
  deletions: number;
}

/** What of a diff is read. */
export interface DiffOptions {
  /** Whether patches are read; without them every `patch` is null. */
  patch: boolean;
  /** Bytes of one file's patch, 256 KiB by default; more is cut at a line. */
  maxPatchBytesPerFile?: number;
  /** Bytes of all patches together, 8 MiB by default; what comes after is `truncated`, null. */
  maxPatchBytes?: number;
  /** Files listed at most, 3 000 by default; `stats` counts all of them. */
  maxFiles?: number;
  signal?: AbortSignal;
}

/** Blobs above this are not compared line by line; git calls them binary. */
const BIG_FILE_BYTES = 8 * 1024 * 1024;
const CONFIG = [["core.bigFileThreshold", String(BIG_FILE_BYTES)]] as const;
const COMPARE_HOW = ["-M", "-l500", "--no-ext-diff", "--no-textconv", "--no-color"];
const COMPARE = ["diff-tree", "-r", ...COMPARE_HOW];

/** How git counts what differs. */
export const COUNTING = { args: [...COMPARE, "--shortstat"], config: CONFIG } as const;

/** Two commits or trees, by object id or full reference name; null is the empty tree. */
function treeish(name: string | null): string {
  const found = name ?? EMPTY_TREE;
  if (!isOid(found) && !isRefName(found)) throw new TypeError("not an object id or ref name");
  return found;
}

/** Counts what differs between two commits or trees, in one process. Throws a GitError. */
export async function diffStats(
  repoPath: string,
  from: string | null,
  to: string,
): Promise<DiffStats> {
  const args = [...COUNTING.args, "--end-of-options", treeish(from), treeish(to)];
  return statsOf((await git(args, { gitDir: repoPath, config: CONFIG })).stdout.toString("latin1"));
}

/** A commit on the first-parent line of a branch, and what it changed there. */
export interface LineCommit {
  sha: string;
  tree: string;
  /** The first parent; the empty tree of a root. */
  parent: string;
  /** Without the newline at its end; what is no UTF-8 is replaced. */
  message: string;
  stats: DiffStats;
}

/**
 * The commits that `to` has on its first-parent line and `from` does not reach, parents first, at
 * most `limit` of them, the newest. One process for all. Throws a GitError.
 */
export async function commitsOnLine(
  repoPath: string,
  from: string,
  to: string,
  limit: number,
): Promise<LineCommit[]> {
  const format = "--format=tformat:%x00%H%x00%T%x00%P%x00%B%x00";
  const walk = ["log", "--first-parent", "--topo-order", `--max-count=${limit}`, format];
  const args = [...walk, ...COMPARE_HOW, "--shortstat", "--end-of-options", treeish(to)];
  const { stdout } = await git([...args, `^${treeish(from)}`], {
    gitDir: repoPath,
    config: CONFIG,
    timeoutMs: 5 * 60_000,
  });
  const fields = stdout.toString("utf8").split("\0");
  const commits: LineCommit[] = [];
  for (let at = 1; at + 4 < fields.length; at += 5) {
    const [sha = "", tree = "", parents = "", message = "", shortstat = ""] = fields.slice(at);
    commits.push({
      sha,
      tree,
      parent: parents.split(" ")[0] || EMPTY_TREE,
      message: message.trimEnd(),
      stats: statsOf(shortstat),
    });
  }
  return commits.toReversed();
}

/** What is counted from what `COUNTING` has git write. */
export function statsOf(text: string): DiffStats {
  const count = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0);
  return {
    files_changed: count(/(\d+) files? changed/),
    additions: count(/(\d+) insertions?\(/),
    deletions: count(/(\d+) deletions?\(/),
  };
}

/**
 * The files that differ between two commits or trees, sorted as git sorts them. One process, whose
 * output is read as it comes: what is beyond the limits is dropped, never held. Throws a GitError.
 */
export async function diffFiles(
  repoPath: string,
  from: string | null,
  to: string,
  options: DiffOptions,
): Promise<{ files: FileDiff[]; stats: DiffStats }> {
  const formats = ["--raw", "--numstat", "--no-abbrev", ...(options.patch ? ["--patch"] : [])];
  const { signal } = options;
  const child = spawnGit([...COMPARE, ...formats, "--end-of-options", treeish(from), treeish(to)], {
    gitDir: repoPath,
    config: CONFIG,
    ...(signal === undefined ? {} : { signal }),
  });
  const reader = new DiffReader({
    patch: options.patch,
    maxPatchBytesPerFile: options.maxPatchBytesPerFile ?? 256 * 1024,
    maxPatchBytes: options.maxPatchBytes ?? 8 * 1024 * 1024,
    maxFiles: options.maxFiles ?? 3000,
  });
  try {
    for await (const chunk of child.stdout) {
      reader.push(chunk as Buffer);
      if (reader.full) break;
    }
    if (!reader.full) await child.done;
  } finally {
    child.kill();
  }
  const result = reader.finish();
  await markBigFiles(repoPath, result.files, reader.objects);
  return result;
}

/** git says "binary" of big text files too: those are cut rather than binary. */
async function markBigFiles(
  repoPath: string,
  files: readonly FileDiff[],
  objects: ReadonlyMap<FileDiff, readonly string[]>,
): Promise<void> {
  const binary = files.filter((file) => file.binary);
  if (binary.length === 0) return;
  const input = `${binary.flatMap((file) => objects.get(file) ?? []).join("\n")}\n`;
  const args = ["cat-file", "--batch-check=%(objectname) %(objectsize)", "--buffer"];
  const { stdout } = await git(args, { gitDir: repoPath, input });
  const big = new Set<string>();
  for (const line of stdout.toString("latin1").split("\n")) {
    if (Number(line.slice(41)) > BIG_FILE_BYTES) big.add(line.slice(0, 40));
  }
  for (const file of binary) {
    if (objects.get(file)?.some((oid) => big.has(oid))) file.truncated = true;
  }
}

/**
 * The diff of two commits or trees as text (`text/x-diff`), git's own format; binary and very big
 * files are one line. The stream fails with a GitError where git does; destroying it ends git.
 */
export function rawDiff(repoPath: string, from: string | null, to: string): Readable {
  const args = [...COMPARE, "--patch", "--full-index", "--end-of-options"];
  const child = spawnGit([...args, treeish(from), treeish(to)], {
    gitDir: repoPath,
    config: CONFIG,
    timeoutMs: 5 * 60_000,
  });
  return Readable.from(outputOf(child, keptOutput(child.stdout)), { objectMode: false });
}

async function* outputOf(child: GitProcess, output: Readable): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of output) yield chunk as Buffer;
    await child.done;
  } finally {
    child.kill();
  }
}
