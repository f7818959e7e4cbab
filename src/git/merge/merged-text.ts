/** git's merged text of a conflict, in hunks that take one side or both. */
import type { ComputedMerge, Conflict } from "./merge-conflicts.js";
import { readTexts } from "./conflict-files.js";
import { git, gitVersion } from "../process/run.js";
import { TreeReader } from "../objects/tree-reader.js";
import { displayPath } from "../files/safe-folder.js";

/** A part of a merged text: merged lines, or a hunk with the lines of both sides. */
export type Segment = { text: string } | { target: string; source: string };

/** A text that git merged up to its conflict hunks. */
export interface MergedText {
  /** One of the conflict's paths, as display text. */
  path: string;
  segments: Segment[];
}

/** The lines that a hunk takes; `both` are the target's, then the source's. */
export type HunkTake = "source" | "target" | "both";

/** Texts with lines like conflict markers cost a process each; more are resolved by whole files. */
const MAX_PROCESSES = 50;

/**
 * Returns the merged text of each conflict; null where there is none: deleted, moved, binary or
 * large files (see `readTexts`), links and submodules.
 * @throws GitError
 */
export async function mergedTexts(
  repoPath: string,
  { tree, conflicts }: Pick<ComputedMerge, "tree" | "conflicts">,
): Promise<(MergedText | null)[]> {
  const trees = new TreeReader(repoPath);
  const paths = conflicts.flatMap(({ detail }) => detail.entries.map(({ path }) => path));
  await trees.load([{ tree, paths }]);
  const versions = conflicts.map((conflict) => versionsOf(conflict, trees, tree));
  const texts = await readTexts(
    repoPath,
    versions.flatMap((found) => (found ? [found.merged, found.target, found.source] : [])),
  );
  let processes = 0;
  const found: (MergedText | null)[] = [];
  for (const version of versions) {
    const [merged, target, source] = [version?.merged, version?.target, version?.source].map(
      (oid) => texts.get(oid ?? ""),
    );
    const areTexts =
      typeof merged === "string" && typeof target === "string" && typeof source === "string";
    if (!version || !areTexts) {
      found.push(null);
      continue;
    }
    const size = markerSize([target, source]);
    const isMarked = size > MARKER_SIZE;
    if (isMarked) processes += 1;
    if (processes > MAX_PROCESSES) {
      found.push(null);
      continue;
    }
    const text = isMarked ? await mergeWithMarkers(repoPath, version, size) : merged;
    found.push(textOf(version.path, parseHunks(text, size), { target, source }));
  }
  return found;
}

/**
 * Assembles the text from one choice for each hunk, in their order.
 * @throws TypeError for a wrong number of choices
 */
export function takeHunks({ segments }: MergedText, takes: readonly HunkTake[]): string {
  let at = 0;
  let text = "";
  for (const segment of segments) {
    if ("text" in segment) {
      text += segment.text;
      continue;
    }
    const take = takes[at];
    at += 1;
    if (take === undefined) break;
    if (take !== "both") {
      text += segment[take];
      continue;
    }
    text += segment.target;
    // Only the last line of a file may lack its newline.
    if (segment.target !== "" && !segment.target.endsWith("\n")) text += "\n";
    text += segment.source;
  }
  if (at !== takes.length) throw new TypeError("one choice for each hunk");
  return text;
}

/** The blobs of a conflict at one path; no base if both sides added the file. */
interface Versions {
  /** Latin1 bytes. */
  path: string;
  target: string;
  source: string;
  base: string | null;
  /** git's result, with conflict markers. */
  merged: string;
}

function versionsOf({ detail }: Conflict, trees: TreeReader, tree: string): Versions | null {
  const { entries, clashes } = detail;
  const [first] = entries;
  if (first === undefined || clashes.length > 0) return null;
  if (entries.some(({ path, mode }) => path !== first.path || !mode.startsWith("100"))) return null;
  const oidOf = (stage: number): string | undefined =>
    entries.find((entry) => entry.stage === stage)?.oid;
  const [target, source] = [oidOf(2), oidOf(3)];
  const merged = trees.findFile(tree, first.path)?.oid;
  if (target === undefined || source === undefined || merged === undefined) return null;
  return { path: first.path, target, source, base: oidOf(1) ?? null, merged };
}

function textOf(
  path: string,
  segments: Segment[],
  files: { target: string; source: string },
): MergedText | null {
  if (!segments.some((segment) => "target" in segment)) return null;
  const last = segments.at(-1);
  if (last && "target" in last) {
    last.target = asAtEnd(last.target, files.target);
    last.source = asAtEnd(last.source, files.source);
  }
  return { path: displayPath(path), segments };
}

/** Merges the file again with longer markers, which no line of the file is mistaken for. */
async function mergeWithMarkers(
  repoPath: string,
  { target, base, source }: Versions,
  size: number,
): Promise<string> {
  const options = ["--object-id", "--stdout", "--quiet", `--marker-size=${size}`];
  const { stdout } = await git(
    ["merge-file", ...options, ...(await diffAlgorithm()), target, base ?? EMPTY_BLOB, source],
    // The exit code is the number of hunks, at most 127.
    { gitDir: repoPath, okExitCodes: Array.from({ length: 128 }, (_, code) => code) },
  );
  return stdout.toString("utf8");
}

/** Removes the newline that git adds to the last line of a hunk if the file has none. */
function asAtEnd(lines: string, file: string): string {
  const ends = [lines, lines.replace(/\n$/, ""), lines.replace(/\r\n$/, "")];
  return ends.find((end) => file.endsWith(end)) ?? lines;
}

/** The length of git's conflict markers (gitattributes, conflict-marker-size). */
const MARKER_SIZE = 7;

/** Returns a marker length that no line of the texts can be mistaken for. */
function markerSize(texts: readonly string[]): number {
  let longest = MARKER_SIZE - 1;
  for (const text of texts) {
    for (const [run] of text.matchAll(/^(?:<+|=+|>+)/gm)) longest = Math.max(longest, run.length);
  }
  return longest + 1;
}

type IsMarker = (line: string) => boolean;

function parseHunks(merged: string, size: number): Segment[] {
  // Compared as text, since the files decide how long the marker is.
  const [begin, middle, end] = ["<", "=", ">"].map((character) => {
    const marker = character.repeat(size);
    return (line: string): boolean =>
      line.startsWith(marker) && [" ", "\r", "\n", undefined].includes(line[size]);
  }) as [IsMarker, IsMarker, IsMarker];
  const segments: Segment[] = [];
  let text = "";
  let hunk: { target: string; source: string } | null = null;
  let side: "target" | "source" = "target";
  for (const line of merged.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    if (hunk === null && begin(line)) {
      if (text !== "") segments.push({ text });
      text = "";
      hunk = { target: "", source: "" };
      side = "target";
    } else if (hunk !== null && side === "target" && middle(line)) {
      side = "source";
    } else if (hunk !== null && side === "source" && end(line)) {
      segments.push(hunk);
      hunk = null;
    } else if (hunk === null) {
      text += line;
    } else {
      hunk[side] += line;
    }
  }
  if (text !== "") segments.push({ text });
  return segments;
}

/** The empty blob, known to every repository. */
export const EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

/** Returns the option for the algorithm of `git merge-tree`; git before 2.44 has no choice. */
export async function diffAlgorithm(): Promise<string[]> {
  const { major, minor } = await (version ??= gitVersion());
  return major > 2 || minor >= 44 ? ["--diff-algorithm=histogram"] : [];
}
let version: ReturnType<typeof gitVersion> | undefined;
