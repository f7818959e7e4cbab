import type { ChangedFile, Side } from "#shared/api/work/reviews.js";
import type { Thread } from "#shared/api/work/threads.js";
import type { PendingComment } from "../draft/pending-review.js";

/** What is said at a line, or about a file. */
export interface Talk {
  threads: Thread[];
  pending: PendingComment[];
}

/** What is said in a file of the diff. */
export interface FileTalk {
  /** About the whole file, and at lines that are gone. */
  file: Talk;
  /** By side and line: "new:12". */
  lines: Map<string, Talk>;
}

export const lineKey = (side: Side, line: number): string => `${side}:${line}`;

/** Groups threads and pending comments by the files of a diff; the rest has no place in it. */
export function talkOf(
  files: readonly Pick<ChangedFile, "path" | "old_path">[],
  threads: readonly Thread[],
  pending: readonly PendingComment[],
  /** Whether the old side is the target branch, which lines of that side are of. */
  hasOldSide: boolean,
): { byPath: Map<string, FileTalk>; elsewhere: Talk } {
  const byPath = new Map<string, FileTalk>();
  const elsewhere: Talk = { threads: [], pending: [] };
  const newPaths = new Set(files.map(({ path }) => path));
  const byOldPath = new Map(files.map(({ path, old_path }) => [old_path ?? path, path]));
  const talkAt = (
    place: { path: string; side: Side; line: number | null },
    isOutdated: boolean,
  ): Talk => {
    const path =
      place.side === "old"
        ? (byOldPath.get(place.path) ?? place.path)
        : newPaths.has(place.path)
          ? place.path
          : byOldPath.get(place.path);
    if (path === undefined || !newPaths.has(path)) return elsewhere;
    const talk = byPath.get(path) ?? { file: { threads: [], pending: [] }, lines: new Map() };
    byPath.set(path, talk);
    const isHidden = isOutdated || (place.side === "old" && !hasOldSide);
    if (place.line === null || isHidden) return talk.file;
    const key = lineKey(place.side, place.line);
    const line = talk.lines.get(key) ?? { threads: [], pending: [] };
    talk.lines.set(key, line);
    return line;
  };
  for (const thread of threads) talkAt(thread, thread.outdated).threads.push(thread);
  for (const comment of pending)
    if (comment.threadId === null) talkAt(comment, comment.isOutdated).pending.push(comment);
  return { byPath, elsewhere };
}

/** "src/a.ts, lines 3–5" */
export function placeText({
  path,
  side,
  line,
  start_line: start,
}: {
  path: string;
  side: Side;
  line: number | null;
  start_line: number | null;
}): string {
  return line === null ? path : `${path}, ${linesText(start ?? line, line, side)}`;
}

export function linesText(start: number, line: number, side: Side): string {
  const lines = start === line ? `line ${line}` : `lines ${start}–${line}`;
  return side === "old" ? `${lines} before the change` : lines;
}
