/** git's merged text of a conflict, in hunks that take one side or both. */
import type { ComputedMerge, Conflict } from "./merge-conflicts.js";
import { readTexts } from "./conflict-files.js";
import { git, gitVersion } from "../process/run.js";
import { displayPath } from "../worktree/safe-folder.js";

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

/** Each text costs a process; further conflicts are resolved by whole files. */
const MAX_TEXTS = 200;
const CONCURRENT = 4;

/**
 * Returns the merged text of each conflict; null where there is none: deleted, moved, binary or
 * large files (see `readTexts`), links and submodules.
 * @throws GitError
 */
export async function mergedTexts(
  repoPath: string,
  { conflicts }: Pick<ComputedMerge, "conflicts">,
): Promise<(MergedText | null)[]> {
  const versions = conflicts.map(versionsOf);
  const wanted = versions.filter((found) => found !== null).slice(0, MAX_TEXTS);
  const texts = await readTexts(
    repoPath,
    wanted.flatMap(({ target, base, source }) => [target, source, ...(base ? [base] : [])]),
  );
  const found = new Map<Versions, MergedText | null>();
  const pending = [...wanted];
  const work = async (): Promise<void> => {
    for (let next = pending.shift(); next; next = pending.shift()) {
      found.set(next, await mergeText(repoPath, next, texts));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT }, work));
  return versions.map((version) => (version && found.get(version)) ?? null);
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
  path: string;
  target: string;
  source: string;
  base: string | null;
}

function versionsOf({ detail }: Conflict): Versions | null {
  const { entries, clashes } = detail;
  const [first] = entries;
  if (first === undefined || clashes.length > 0) return null;
  if (entries.some(({ path, mode }) => path !== first.path || !mode.startsWith("100"))) return null;
  const oidOf = (stage: number): string | undefined =>
    entries.find((entry) => entry.stage === stage)?.oid;
  const [target, source] = [oidOf(2), oidOf(3)];
  if (target === undefined || source === undefined) return null;
  return { path: displayPath(first.path), target, source, base: oidOf(1) ?? null };
}

/** The empty blob, known to every repository. */
const EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

async function mergeText(
  repoPath: string,
  { path, target, source, base }: Versions,
  texts: Awaited<ReturnType<typeof readTexts>>,
): Promise<MergedText | null> {
  const [ours, theirs, before] = [target, source, base].map((oid) => {
    const text = oid === null ? "" : texts.get(oid);
    return typeof text === "string" ? text : null;
  });
  if (typeof ours !== "string" || typeof theirs !== "string" || typeof before !== "string") {
    return null;
  }
  const size = markerSize([ours, theirs, before]);
  const { stdout } = await git(
    [
      "merge-file",
      "--object-id",
      "--stdout",
      "--quiet",
      `--marker-size=${size}`,
      ...(await algorithm()),
      target,
      base ?? EMPTY_BLOB,
      source,
    ],
    // The exit code is the number of hunks, at most 127.
    { gitDir: repoPath, okExitCodes: Array.from({ length: 128 }, (_, code) => code) },
  );
  const segments = parseHunks(stdout.toString("utf8"), size);
  const last = segments.at(-1);
  if (!segments.some((segment) => "target" in segment)) return null;
  if (last && "target" in last) {
    last.target = asAtEnd(last.target, ours);
    last.source = asAtEnd(last.source, theirs);
  }
  return { path, segments };
}

/** Removes the newline that git adds to the last line of a hunk if the file has none. */
function asAtEnd(lines: string, file: string): string {
  const ends = [lines, lines.replace(/\n$/, ""), lines.replace(/\r\n$/, "")];
  return ends.find((end) => file.endsWith(end)) ?? lines;
}

/** Returns a marker length that no line of the texts can be mistaken for. */
function markerSize(texts: readonly string[]): number {
  let longest = 6;
  for (const text of texts) {
    for (const [run] of text.matchAll(/^(?:<+|=+|>+)/gm)) longest = Math.max(longest, run.length);
  }
  return longest + 1;
}

/** The algorithm of `git merge-tree`; git before 2.44 has no choice. */
async function algorithm(): Promise<string[]> {
  const { major, minor } = await (version ??= gitVersion());
  return major > 2 || minor >= 44 ? ["--diff-algorithm=histogram"] : [];
}
let version: ReturnType<typeof gitVersion> | undefined;

function parseHunks(merged: string, size: number): Segment[] {
  const marker = (character: string): RegExp =>
    new RegExp(`^${character}{${size}}(?: [^\\n]*)?\\r?\\n?$`);
  const [begin, middle, end] = [marker("<"), marker("="), marker(">")];
  const segments: Segment[] = [];
  let text = "";
  let hunk: { target: string; source: string } | null = null;
  let side: "target" | "source" = "target";
  for (const line of merged.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    if (hunk === null && begin.test(line)) {
      if (text !== "") segments.push({ text });
      text = "";
      hunk = { target: "", source: "" };
      side = "target";
    } else if (hunk !== null && side === "target" && middle.test(line)) {
      side = "source";
    } else if (hunk !== null && side === "source" && end.test(line)) {
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
