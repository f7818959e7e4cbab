/** Differences between two trees of a repository: counts, files with patches, and raw text. */
import { Readable } from "node:stream";
import { isOid } from "../objects/oid.js";
import { isRefName } from "../store/bare-repository.js";
import { DiffReader, type FileBlobs, type FileDiff } from "./diff-reader.js";
import {
  EMPTY_TREE,
  git,
  type GitProcess,
  bufferOutput,
  type ProcessOptions,
  spawnGit,
} from "../process/run.js";

export type { FileDiff } from "./diff-reader.js";

/** The size of a diff. A rename is one file; binary files count no lines. */
export interface DiffStats {
  files_changed: number;
  additions: number;
  deletions: number;
}

/** Options of `diffFiles`. */
export interface DiffOptions {
  /** Whether patches are read; otherwise every `patch` is null. */
  patch: boolean;
  /** Whether lines are counted, the default; otherwise every count is 0, and no content is read but for renames. */
  counts?: boolean;
  /** Maximum bytes of one file's patch, 256 KiB by default; longer patches are cut at a line. */
  maxPatchBytesPerFile?: number;
  /**
   * Maximum bytes of all patches together, 8 MiB by default; later patches are null and
   * `truncated`.
   */
  maxPatchBytes?: number;
  /** Whole patches are read until they have so many bytes; those of further files are null. */
  firstPatchBytes?: number;
  /** Maximum number of files listed, 3 000 by default; `stats` counts all of them. */
  maxFiles?: number;
  /** Whether lines that differ in whitespace alone count as equal. */
  ignoreWhitespace?: boolean;
  /** Only these paths; all by default. */
  paths?: readonly string[];
  signal?: AbortSignal;
}

/** Larger blobs are not compared line by line; git treats them as binary. */
const BIG_FILE_BYTES = 8 * 1024 * 1024;
export const CONFIG = [["core.bigFileThreshold", String(BIG_FILE_BYTES)]] as const;
const COMPARE_HOW = ["-M", "-l500", "--no-ext-diff", "--no-textconv", "--no-color"];
export const COMPARE = ["diff-tree", "-r", ...COMPARE_HOW];

/** The git arguments and settings for counting differences. */
export const COUNTING = { args: [...COMPARE, "--shortstat"], config: CONFIG } as const;

/** A commit or tree, by object id or full reference name; null is the empty tree. */
export function treeish(name: string | null): string {
  const found = name ?? EMPTY_TREE;
  if (!isOid(found) && !isRefName(found)) throw new TypeError("not an object id or ref name");
  return found;
}

/**
 * Counts the differences between two commits or trees with one process.
 * @throws GitError
 */
export async function diffStats(
  repoPath: string,
  from: string | null,
  to: string,
  process: ProcessOptions = {},
): Promise<DiffStats> {
  const args = [...COUNTING.args, "--end-of-options", treeish(from), treeish(to)];
  const { stdout } = await git(args, { gitDir: repoPath, config: CONFIG, ...process });
  return statsOf(stdout.toString("latin1"));
}

/** A commit on the first-parent history of a branch, with the size of its change. */
export interface LineCommit {
  sha: string;
  tree: string;
  /** The first parent; the empty tree for a root commit. */
  parent: string;
  /** Without the trailing newline; bytes that are not UTF-8 are replaced. */
  message: string;
  stats: DiffStats;
}

/**
 * Returns the commits on the first-parent history of `to` that `from` does not reach, parents
 * first: the newest `limit` of them. One process for all.
 * @throws GitError
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

/** Parses the output of a git run with `COUNTING`. */
export function statsOf(text: string): DiffStats {
  const count = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0);
  return {
    files_changed: count(/(\d+) files? changed/),
    additions: count(/(\d+) insertions?\(/),
    deletions: count(/(\d+) deletions?\(/),
  };
}

/**
 * Returns the files that differ between two commits or trees, in git's order. Runs one process and
 * streams its output: data beyond the limits is dropped, never buffered.
 * @throws GitError
 */
export async function diffFiles(
  repoPath: string,
  from: string | null,
  to: string,
  options: DiffOptions,
): Promise<{ files: FileDiff[]; stats: DiffStats }> {
  const { files, stats } = await diffFilesWithBlobs(repoPath, from, to, options);
  return { files, stats };
}

/** Like `diffFiles`, with the ids of the files' contents. */
export async function diffFilesWithBlobs(
  repoPath: string,
  from: string | null,
  to: string,
  options: DiffOptions,
): Promise<{
  files: FileDiff[];
  stats: DiffStats;
  blobs: ReadonlyMap<FileDiff, FileBlobs>;
}> {
  const { counts = true, patch } = options;
  const formats = ["--raw", "--no-abbrev", counts && "--numstat", patch && "--patch"].filter(
    (format) => format !== false,
  );
  if (options.ignoreWhitespace === true) formats.push("--ignore-all-space");
  const { signal, paths = [] } = options;
  const trees = ["--end-of-options", treeish(from), treeish(to), "--", ...paths];
  const child = spawnGit([...COMPARE, ...formats, ...trees], {
    gitDir: repoPath,
    config: CONFIG,
    ...(signal === undefined ? {} : { signal }),
  });
  const reader = new DiffReader({
    patch: options.patch,
    maxPatchBytesPerFile: options.maxPatchBytesPerFile ?? 256 * 1024,
    maxPatchBytes: options.maxPatchBytes ?? 8 * 1024 * 1024,
    firstPatchBytes: options.firstPatchBytes ?? Infinity,
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
  await markBigFiles(repoPath, result.files, reader.blobs);
  return { ...result, blobs: reader.blobs };
}

/** git reports large text files as binary as well; these are marked as truncated instead. */
async function markBigFiles(
  repoPath: string,
  files: readonly FileDiff[],
  blobs: ReadonlyMap<FileDiff, FileBlobs>,
): Promise<void> {
  const binary = files.filter((file) => file.binary);
  if (binary.length === 0) return;
  const blobsOf = (file: FileDiff): string[] => {
    const of = blobs.get(file);
    return [of?.old, of?.new].filter((oid) => oid != null);
  };
  const input = `${binary.flatMap(blobsOf).join("\n")}\n`;
  const args = ["cat-file", "--batch-check=%(objectname) %(objectsize)", "--buffer"];
  const { stdout } = await git(args, { gitDir: repoPath, input });
  const big = new Set<string>();
  for (const line of stdout.toString("latin1").split("\n")) {
    if (Number(line.slice(41)) > BIG_FILE_BYTES) big.add(line.slice(0, 40));
  }
  for (const file of binary) {
    if (blobsOf(file).some((oid) => big.has(oid))) file.truncated = true;
  }
}

/**
 * Streams the diff of two commits or trees as text (`text/x-diff`), in git's own format; binary and
 * very large files take one line. The stream fails with a GitError if git fails; destroying it
 * stops git.
 */
export function rawDiff(repoPath: string, from: string | null, to: string): Readable {
  const args = [...COMPARE, "--patch", "--full-index", "--end-of-options"];
  const child = spawnGit([...args, treeish(from), treeish(to)], {
    gitDir: repoPath,
    config: CONFIG,
    timeoutMs: 5 * 60_000,
  });
  return Readable.from(outputOf(child, bufferOutput(child.stdout)), { objectMode: false });
}

async function* outputOf(child: GitProcess, output: Readable): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of output) yield chunk as Buffer;
    await child.done;
  } finally {
    child.kill();
  }
}
