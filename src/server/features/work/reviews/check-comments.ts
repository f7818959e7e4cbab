import type { NewComment } from "#shared/api/work/reviews.js";
import { blobsAt, isBinary, linesOf, textOf } from "#git/anchor/anchor-ranges.js";
import { readObjects } from "#git/objects/object-reader.js";
import { AppError } from "../../../errors.js";
import type { Written } from "./place-threads.js";

/** Larger files have no commented lines. */
const MAX_BYTES = 8 * 1024 * 1024;
/** Maximum length of the lines that are kept with a thread. */
const MAX_TEXT = 64 * 1024;

/** A comment on a place, with the lines there. */
export interface PlacedComment extends Written {
  index: number;
}

/** The commits that were read: the newest one, and what it was compared with. */
export interface ReadCommits {
  repoPath: string;
  head: string;
  base: string;
}

/**
 * Reads the places of comments outside of threads that exist.
 * @throws AppError 422 for a file or line that does not exist, and for lines of a binary file
 */
export async function placeComments(
  { repoPath, head, base }: ReadCommits,
  comments: readonly NewComment[],
): Promise<PlacedComment[]> {
  const placed = comments.flatMap(({ path, side = "new", line, start_line }, index) =>
    path === undefined
      ? []
      : [
          {
            index,
            path,
            side,
            line: line ?? null,
            start_line: line === undefined ? null : (start_line ?? line),
            commit_sha: side === "new" ? head : base,
          },
        ],
  );
  const blobs = await blobsAt(
    repoPath,
    placed.map(({ commit_sha: commit, path }) => ({ commit, path })),
  );
  const needed = new Set(
    placed.flatMap(({ line }, at) => {
      const blob = blobs[at];
      return blob && line !== null && blob.size <= MAX_BYTES ? [blob.oid] : [];
    }),
  );
  const contents = new Map<string, string[] | null>();
  for (const oid of needed) {
    const [object] = await readObjects(repoPath, [oid], "contents");
    const content = object?.content ?? Buffer.alloc(0);
    contents.set(oid, isBinary(content) ? null : linesOf(content));
  }
  const errors: { loc: (string | number)[]; msg: string; type: string }[] = [];
  const refuse = (index: number, field: string, msg: string): void => {
    errors.push({ loc: ["body", "comments", index, field], msg, type: "invalid" });
  };
  const found = placed.map((comment, at): PlacedComment => {
    const { index, line, start_line } = comment;
    const blob = blobs[at];
    if (!blob) {
      refuse(index, "path", "is not a file on this side of the change");
      return { ...comment, text: null };
    }
    if (line === null || start_line === null) return { ...comment, text: null };
    const lines = contents.get(blob.oid);
    if (!lines) refuse(index, "line", "must be left out: the file is binary or too large");
    else if (line > lines.length) refuse(index, "line", `must be at most ${lines.length}`);
    const text = (lines ?? [])
      .slice(start_line - 1, line)
      .map(textOf)
      .join("\n");
    // The database stores no NUL.
    return { ...comment, text: text.replaceAll("\0", "\uFFFD").slice(0, MAX_TEXT) };
  });
  if (errors.length > 0) {
    throw new AppError("validation_failed", "A comment is on a place that does not exist.", {
      errors,
    });
  }
  return found;
}
