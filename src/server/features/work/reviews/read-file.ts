import type { z } from "zod";
import { MAX_FILE_LINES, type FileLines, type reviews } from "#shared/api/work/reviews.js";
import { blobsAt, isBinary, linesOf, textOf } from "#git/anchor/anchor-ranges.js";
import { readObjects } from "#git/objects/object-reader.js";
import { invalidField } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import type { RunDeps } from "../../execution/runs/start.js";
import { isOfAttempt } from "./compare-changes.js";
import { readReviewed } from "./reviewed-attempt.js";

/** Larger files are shown without lines. */
const MAX_BYTES = 8 * 1024 * 1024;
const MAX_IMAGE_BYTES = 1024 * 1024;

/** Images by their first bytes. */
const signatures = [
  { media_type: "image/png", pattern: /^\x89PNG\r\n\x1a\n/ },
  { media_type: "image/jpeg", pattern: /^\xff\xd8\xff/ },
  { media_type: "image/gif", pattern: /^GIF8[79]a/ },
  { media_type: "image/webp", pattern: /^RIFF[^]{4}WEBP/ },
] as const;

/** Reads lines of a file in a commit of an attempt or its target. @throws AppError 404; 409 `no_attempt`; 422 */
export async function readFile(
  deps: RunDeps,
  context: CallerContext,
  taskId: string,
  { path, commit_sha, start_line, end_line, attempt_id }: z.output<typeof reviews.file.query>,
): Promise<FileLines> {
  const reviewed = await readReviewed(deps, context, taskId, attempt_id);
  if (!(await isOfAttempt(reviewed, commit_sha))) {
    throw invalidField("commit_sha", "is not a commit of the attempt");
  }
  const { repoPath } = reviewed;
  const [blob] = await blobsAt(repoPath, [{ commit: commit_sha, path }]);
  if (!blob) throw invalidField("path", "is not a file of the commit");
  const isLarge = blob.size > MAX_BYTES;
  const [object] = isLarge ? [] : await readObjects(repoPath, [blob.oid], "contents");
  const content = object?.content ?? null;
  const shown = { path, commit_sha, blob_id: blob.oid, size: blob.size, start_line };
  if (content === null || isBinary(content)) {
    const image = content === null ? null : imageOf(content);
    return { ...shown, binary: true, total_lines: null, lines: [], image };
  }
  const lines = linesOf(content);
  const last = Math.min(end_line ?? Infinity, start_line + MAX_FILE_LINES - 1);
  return {
    ...shown,
    binary: false,
    total_lines: lines.length,
    lines: lines.slice(start_line - 1, last).map(textOf),
    image: null,
  };
}

function imageOf(content: Buffer): FileLines["image"] {
  if (content.length > MAX_IMAGE_BYTES) return null;
  const head = content.toString("latin1", 0, 16);
  const found = signatures.find(({ pattern }) => pattern.test(head));
  return found ? { media_type: found.media_type, base64: content.toString("base64") } : null;
}
