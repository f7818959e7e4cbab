/** Finds lines of earlier commits in a later one. */
import { readObjects } from "../objects/object-reader.js";
import { git } from "../process/run.js";
import { assertOid } from "../objects/oid.js";
import { mapLines } from "./map-lines.js";

/** Lines of a file in a commit; null for the whole file. Paths are display text. */
export interface LineRange {
  commit: string;
  path: string;
  startLine: number | null;
  line: number | null;
  /** The lines, for a commit that no longer exists. */
  text: string | null;
}

export interface FoundRange {
  path: string;
  startLine: number | null;
  line: number | null;
}

/** Larger files are not compared. */
const MAX_FILE_BYTES = 8 * 1024 * 1024;
/** Files that are read at once. */
const BATCH = 32;
/** git treats a file with NUL in its first bytes as binary. */
const BINARY_BYTES = 8000;

/** A path as the bytes of git's object names. */
const bytesOf = (path: string): string => Buffer.from(path, "utf8").toString("latin1");

export const isBinary = (content: Buffer): boolean => content.subarray(0, BINARY_BYTES).includes(0);

/** Splits a file into lines without their ends; a missing newline at the end makes no difference. */
export function linesOf(content: Buffer): string[] {
  const lines = content.toString("latin1").split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** Converts a line of a file to text. */
export const textOf = (line: string): string => Buffer.from(line, "latin1").toString("utf8");

/** The blob of a file in a commit; null if the commit or the file does not exist. */
export async function blobsAt(
  repoPath: string,
  files: readonly { commit: string; path: string }[],
): Promise<({ oid: string; size: number } | null)[]> {
  const found = await readObjects(
    repoPath,
    files.map(({ commit, path }) => {
      assertOid(commit);
      return `${commit}:${bytesOf(path)}`;
    }),
    "info",
  );
  return found.map((object) =>
    object?.type === "blob" ? { oid: object.oid, size: object.size } : null,
  );
}

/**
 * Returns where the ranges are in the commit `head`, in order; null for a range with a line that is gone or changed.
 * Renamed files are followed. Each pair of contents is compared once, however many ranges and commits have it.
 * @throws GitError
 */
export async function anchorRanges(
  repoPath: string,
  ranges: readonly LineRange[],
  head: string,
): Promise<(FoundRange | null)[]> {
  const keyOf = ({ commit, path }: { commit: string; path: string }): string => `${commit} ${path}`;
  const files = new Map(ranges.map((range) => [keyOf(range), range]));
  const wanted = [...files.values()];
  const before = new Map<string, { oid: string; size: number } | null>();
  const old = await blobsAt(repoPath, wanted);
  for (const [index, file] of wanted.entries()) before.set(keyOf(file), old[index] ?? null);
  const after = await blobsByPath(repoPath, head, new Set(wanted.map(({ path }) => path)));
  const renamed = await readRenamed(
    repoPath,
    wanted.filter((file) => before.get(keyOf(file)) && !after.has(file.path)),
    head,
  );
  for (const [path, blob] of await blobsByPath(repoPath, head, new Set(renamed.values()))) {
    after.set(path, blob);
  }
  const pairs: Pair[] = ranges.map((range) => {
    const path = renamed.get(keyOf(range)) ?? range.path;
    return { range, path, from: before.get(keyOf(range)) ?? null, to: after.get(path) ?? null };
  });
  return mapPairs(repoPath, pairs);
}

interface Pair {
  range: LineRange;
  path: string;
  from: { oid: string; size: number } | null;
  to: { oid: string; size: number } | null;
}

async function blobsByPath(
  repoPath: string,
  commit: string,
  paths: ReadonlySet<string>,
): Promise<Map<string, { oid: string; size: number }>> {
  const list = [...paths];
  if (list.length === 0) return new Map();
  const found = await blobsAt(
    repoPath,
    list.map((path) => ({ commit, path })),
  );
  return new Map(
    list.flatMap((path, index) => {
      const blob = found[index];
      return blob ? [[path, blob] as const] : [];
    }),
  );
}

/** Returns the new paths of files that were renamed since their commits, by commit and path. */
async function readRenamed(
  repoPath: string,
  files: readonly { commit: string; path: string }[],
  head: string,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const commit of new Set(files.map((file) => file.commit))) {
    const args = ["diff-tree", "-r", "-M", "-l500", "-z", "--name-status", "--diff-filter=R"];
    const { stdout } = await git([...args, "--end-of-options", commit, head], {
      gitDir: repoPath,
    });
    const fields = stdout.toString("utf8").split("\0");
    for (let at = 0; at + 2 < fields.length; at += 3) {
      found.set(`${commit} ${fields[at + 1]}`, fields[at + 2] as string);
    }
  }
  return found;
}

/** Finds the ranges of pairs of files: those of the same content together. */
async function mapPairs(repoPath: string, pairs: readonly Pair[]): Promise<(FoundRange | null)[]> {
  const results = pairs.map((): FoundRange | null => null);
  const groups = new Map<string, number[]>();
  for (const [index, { range, path, from, to }] of pairs.entries()) {
    if (!to) continue;
    const { startLine, line, text } = range;
    if (startLine === null || line === null || from?.oid === to.oid) {
      results[index] = from === null && text === null ? null : { path, startLine, line };
      if (from?.oid === to.oid || startLine === null) continue;
    }
    if (to.size > MAX_FILE_BYTES || (from !== null && from.size > MAX_FILE_BYTES)) continue;
    const key = `${from?.oid ?? ""} ${to.oid}`;
    groups.set(key, [...(groups.get(key) ?? []), index]);
  }
  // By the new file, which is then read once for many old ones.
  const keys = [...groups.keys()].toSorted((left, right) =>
    left.slice(-40) < right.slice(-40) ? -1 : 1,
  );
  for (let at = 0; at < keys.length; at += BATCH) {
    const batch = keys.slice(at, at + BATCH);
    const oids = [...new Set(batch.flatMap((key) => key.split(" ").filter(Boolean)))];
    const contents = await readObjects(repoPath, oids, "contents");
    const lines = new Map(
      oids.map((oid, index) => [oid, linesOf(contents[index]?.content ?? Buffer.alloc(0))]),
    );
    for (const key of batch) {
      const [from = "", to = ""] = key.split(" ");
      const before = lines.get(from);
      const after = lines.get(to) ?? [];
      const map = before && mapLines(before, after);
      for (const index of groups.get(key) ?? []) {
        const { range, path } = pairs[index] as Pair;
        const place = map ? placeOf(range, map) : searchText(range, after);
        results[index] = place && { path, ...place };
      }
    }
  }
  return results;
}

type Lines = { startLine: number; line: number };

/** Returns the lines of a range if all of them stand together. */
function placeOf({ startLine, line }: LineRange, map: Int32Array): Lines | null {
  if (startLine === null || line === null) return null;
  const first = map[startLine - 1] ?? -1;
  if (first === -1) return null;
  for (let at = startLine; at < line; at += 1) {
    if (map[at] !== first + at - startLine + 1) return null;
  }
  return { startLine: first + 1, line: first + 1 + line - startLine };
}

/** Returns the only place with the text of a range whose commit is gone. */
function searchText({ text }: LineRange, after: readonly string[]): Lines | null {
  if (text === null) return null;
  const wanted = text.split("\n").map((line) => bytesOf(line));
  let found: Lines | null = null;
  for (let at = 0; at + wanted.length <= after.length; at += 1) {
    if (!wanted.every((line, index) => after[at + index] === line)) continue;
    if (found !== null) return null;
    found = { startLine: at + 1, line: at + wanted.length };
  }
  return found;
}
