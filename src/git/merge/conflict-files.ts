/** The files of both sides of a conflict, for display and manual resolution. */
import type { Side } from "../store/compare-histories.js";
import type { ComputedMerge } from "./merge-conflicts.js";
import { git } from "../process/run.js";
import { displayPath } from "../files/safe-folder.js";
import { TreeReader } from "../objects/tree-reader.js";

/** A file, link or gitlink of one side at one path of a conflict. */
export interface ConflictFile {
  /** Display text. */
  path: string;
  mode: string;
  oid: string;
}

/**
 * Returns, for each conflict of `merge`, the files of both sides at its paths. One process.
 * @throws GitError
 */
export async function conflictFiles(
  repoPath: string,
  merge: ComputedMerge,
): Promise<Record<Side, ConflictFile[]>[]> {
  const names = merge.conflicts.flatMap(({ detail }) => detail.paths);
  const trees = new TreeReader(repoPath);
  await trees.load([
    { tree: merge.target, paths: names },
    { tree: merge.source, paths: names },
  ]);
  const of = (side: Side, paths: readonly string[]): ConflictFile[] =>
    paths.flatMap((path) => {
      const entry = trees.findFile(merge[side], path);
      return entry === null ? [] : [{ path: displayPath(path), ...entry }];
    });
  return merge.conflicts.map(({ detail }) => ({
    source: of("source", detail.paths),
    target: of("target", detail.paths),
  }));
}

/** Maximum bytes of one text, and of all texts together. */
const TEXT_BYTES = 256 * 1024;
const ALL_BYTES = 8 * 1024 * 1024;

/**
 * Reads blobs as text: a string, or the reason why there is no text. Ids that are not blobs here
 * (submodules) are left out. Two processes.
 * @throws GitError
 */
export async function readTexts(
  repoPath: string,
  oids: Iterable<string>,
): Promise<Map<string, string | { omitted: "binary" | "big" }>> {
  const texts = new Map<string, string | { omitted: "binary" | "big" }>();
  const wanted: { oid: string; size: number }[] = [];
  let all = 0;
  for (const { oid, size } of await sizesOf(repoPath, [...new Set(oids)])) {
    if (size > TEXT_BYTES || all + size > ALL_BYTES) {
      texts.set(oid, { omitted: "big" });
    } else {
      wanted.push({ oid, size });
      all += size;
    }
  }
  if (wanted.length === 0) return texts;
  const { stdout } = await git(["cat-file", "--batch", "--buffer"], {
    gitDir: repoPath,
    input: wanted.map(({ oid }) => `${oid}\n`).join(""),
  });
  let at = 0;
  for (const { oid, size } of wanted) {
    const start = stdout.indexOf("\n", at) + 1;
    texts.set(oid, textOf(stdout.subarray(start, start + size)) ?? { omitted: "binary" });
    at = start + size + 1;
  }
  return texts;
}

async function sizesOf(
  repoPath: string,
  oids: readonly string[],
): Promise<{ oid: string; size: number }[]> {
  if (oids.length === 0) return [];
  const { stdout } = await git(["cat-file", "--batch-check", "--buffer"], {
    gitDir: repoPath,
    input: oids.map((oid) => `${oid}\n`).join(""),
  });
  const found = stdout.toString("latin1").matchAll(/^([0-9a-f]{40}) blob (\d+)$/gm);
  return [...found].map(([, oid = "", size]) => ({ oid, size: Number(size) }));
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes UTF-8; null for anything else. */
function textOf(bytes: Buffer): string | null {
  if (bytes.includes(0)) return null;
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}
