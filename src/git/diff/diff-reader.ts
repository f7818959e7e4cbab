/** A streaming parser for `git diff --raw --numstat --patch`, within limits. */

/** How a file changed between two trees. */
export type FileStatus = "added" | "modified" | "deleted" | "renamed" | "type_changed";

/** One changed file. Paths are display text: bytes that are not UTF-8 become U+FFFD. */
export interface FileDiff {
  path: string;
  /** The previous path of a renamed file, otherwise null. */
  old_path: string | null;
  status: FileStatus;
  /** Added lines; null for binary and very large files. */
  additions: number | null;
  deletions: number | null;
  binary: boolean;
  /** Six octal digits as git writes them; `000000` if the file does not exist on that side. */
  old_mode: string;
  new_mode: string;
  /**
   * `--- a/…`, `+++ b/…` and hunks. Empty if only the name or mode changed. Null if not requested,
   * for binary files and beyond the limits. A truncated patch ends at a line, and the header of its
   * last hunk is adjusted.
   */
  patch: string | null;
  /** Whether the patch was cut or dropped because of its size. */
  truncated: boolean;
}

/** The ids of a file's contents; null where the file does not exist. */
export interface FileBlobs {
  old: string | null;
  new: string | null;
}

/** Limits in bytes and files, as in `DiffOptions`. */
export interface DiffLimits {
  patch: boolean;
  maxPatchBytesPerFile: number;
  maxPatchBytes: number;
  firstPatchBytes: number;
  maxFiles: number;
}

const STATUSES: Readonly<Record<string, FileStatus>> = {
  A: "added",
  D: "deleted",
  M: "modified",
  R: "renamed",
  T: "type_changed",
};
const SECTION = Buffer.from("diff --git ");
const PATCH_START = Buffer.from("--- ");
const NEWLINE = Buffer.from("\n");

/**
 * Accepts output in chunks of any size. git quotes paths with control characters, so a path cannot
 * imitate another kind of line.
 */
export class DiffReader {
  /** The blobs of each file. */
  readonly blobs = new Map<FileDiff, FileBlobs>();
  readonly #limits: DiffLimits;
  readonly #files: FileDiff[] = [];
  /**
   * Files in the order of git's patches; null beyond the limit. A changed type produces two
   * patches.
   */
  readonly #sections: (FileDiff | null)[] = [];
  readonly #stats = { files_changed: 0, additions: 0, deletions: 0 };
  readonly #raw: { path: string; file: FileDiff | null; renamed: boolean }[] = [];
  #counted = 0;
  #inPatches = false;
  #section = -1;
  /** Whether the first patches are read, and no others are wanted. */
  #hasFirst = false;
  #lines: Buffer[] | null = null;
  #bytes = 0;
  #total = 0;
  #partial: Buffer[] = [];
  #partialBytes = 0;
  #partialCut = false;

  constructor(limits: DiffLimits) {
    this.#limits = limits;
  }

  /** Whether the limits are reached, so that the remaining output can be dropped. */
  get full(): boolean {
    const beyond = this.#section >= this.#limits.maxFiles * 2;
    const { maxPatchBytes } = this.#limits;
    return this.#inPatches && (beyond || this.#hasFirst || this.#total >= maxPatchBytes);
  }

  /** Accepts the next chunk. */
  push(chunk: Buffer): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(10, start);
      this.#keep(chunk.subarray(start, end === -1 ? chunk.length : end));
      if (end === -1) return;
      this.#endLine();
      start = end + 1;
    }
  }

  /** Returns the result. Call it once, at the end. */
  finish(): {
    files: FileDiff[];
    stats: { files_changed: number; additions: number; deletions: number };
  } {
    if (this.#partialBytes > 0) this.#endLine();
    this.#endSection();
    if (this.#limits.patch && !this.#hasFirst) {
      // Patches that were never reached lie beyond the limit.
      for (const file of this.#sections.slice(this.#section + 1)) {
        if (file !== null && !file.binary && file.patch === null) file.truncated = true;
      }
    }
    return { files: this.#files, stats: this.#stats };
  }

  /** Buffers the current line, up to a limit that only patch lines can reach. */
  #keep(piece: Buffer): void {
    const room = Math.max(this.#limits.maxPatchBytesPerFile, 64 * 1024) - this.#partialBytes;
    if (piece.length > room) this.#partialCut = true;
    const kept = piece.subarray(0, Math.max(0, room));
    if (kept.length > 0) this.#partial.push(Buffer.from(kept));
    this.#partialBytes += kept.length;
  }

  #endLine(): void {
    const [only] = this.#partial;
    const line = this.#partial.length === 1 && only ? only : Buffer.concat(this.#partial);
    const cut = this.#partialCut;
    this.#partial = [];
    this.#partialBytes = 0;
    this.#partialCut = false;
    if (this.#inPatches) this.#patchLine(line, cut);
    else if (line.length === 0) this.#inPatches = true;
    else if (line[0] === 0x3a) this.#rawLine(line.toString("latin1"));
    else this.#numstatLine(line.toString("latin1"));
  }

  #rawLine(line: string): void {
    const [head = "", first = "", second] = line.slice(1).split("\t");
    const [old_mode = "", new_mode = "", oldOid = "", newOid = "", status = ""] = head.split(" ");
    const kind = STATUSES[status.charAt(0)] ?? "modified";
    this.#stats.files_changed += 1;
    let file: FileDiff | null = null;
    if (this.#files.length < this.#limits.maxFiles) {
      const path = unquote(second ?? first);
      const old_path = second === undefined ? null : unquote(first);
      const counts = { additions: 0, deletions: 0, binary: false };
      const rest = { old_mode, new_mode, patch: null, truncated: false };
      file = { path, old_path, status: kind, ...counts, ...rest };
      this.#files.push(file);
      const known = (oid: string): string | null => (/[^0]/.test(oid) ? oid : null);
      this.blobs.set(file, { old: known(oldOid), new: known(newOid) });
    }
    this.#raw.push({ path: first, file, renamed: second !== undefined });
    this.#sections.push(file);
    if (kind === "type_changed") this.#sections.push(file);
  }

  #numstatLine(line: string): void {
    const [added = "", deleted = "", ...rest] = line.split("\t");
    const path = rest.join("\t");
    let entry = this.#raw[this.#counted];
    // A file without counts has no numstat line.
    while (entry !== undefined && !entry.renamed && entry.path !== path) {
      this.#counted += 1;
      entry = this.#raw[this.#counted];
    }
    this.#counted += 1;
    const binary = added === "-";
    if (!binary) {
      this.#stats.additions += Number(added);
      this.#stats.deletions += Number(deleted);
    }
    if (entry === undefined || entry.file === null) return;
    entry.file.binary = binary;
    entry.file.additions = binary ? null : Number(added);
    entry.file.deletions = binary ? null : Number(deleted);
  }

  #patchLine(line: Buffer, cut: boolean): void {
    if (line.subarray(0, SECTION.length).equals(SECTION)) {
      this.#endSection();
      this.#lines = null;
      this.#hasFirst ||= this.#total >= this.#limits.firstPatchBytes;
      if (!this.#hasFirst) this.#section += 1;
      return;
    }
    const file = this.#sections[this.#section] ?? null;
    if (file === null || file.binary || this.#hasFirst) return;
    if (this.#lines === null) {
      if (!line.subarray(0, PATCH_START.length).equals(PATCH_START)) return;
      this.#lines = [];
      this.#bytes = Buffer.byteLength(file.patch ?? "");
    }
    if (file.truncated) return;
    const size = line.length + 1;
    const { maxPatchBytesPerFile, maxPatchBytes } = this.#limits;
    const over = this.#bytes + size > maxPatchBytesPerFile || this.#total + size > maxPatchBytes;
    if (cut || over) {
      file.truncated = true;
      if (this.#total + size > maxPatchBytes) this.#total = maxPatchBytes;
      return;
    }
    this.#lines.push(line);
    this.#bytes += size;
    this.#total += size;
  }

  #endSection(): void {
    const file = this.#sections[this.#section] ?? null;
    if (file === null || file.binary || !this.#limits.patch || this.#hasFirst) return;
    const lines = file.truncated ? mendLastHunk(this.#lines ?? []) : (this.#lines ?? []);
    const text = Buffer.concat(lines.flatMap((line) => [line, NEWLINE])).toString("utf8");
    file.patch = (file.patch ?? "") + text;
    if (file.truncated && file.patch === "") file.patch = null;
    this.#lines = null;
  }
}

/** Adjusts the last hunk header to the remaining lines; drops a hunk without lines. */
function mendLastHunk(lines: readonly Buffer[]): Buffer[] {
  const at = lines.findLastIndex((line) => line.subarray(0, 3).toString("latin1") === "@@ ");
  if (at === -1) return [];
  const body = lines.slice(at + 1);
  const text = lines[at]?.toString("latin1") ?? "";
  const header = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@(.*)$/s.exec(text);
  if (header === null || body.length === 0) return lines.slice(0, at > 2 ? at : 0);
  const count = (marks: string): number =>
    body.filter((line) => marks.includes(String.fromCharCode(line[0] ?? 0))).length;
  const [, oldStart, newStart, rest] = header;
  const mended = `@@ -${oldStart},${count(" -")} +${newStart},${count(" +")} @@${rest}`;
  return [...lines.slice(0, at), Buffer.from(mended, "latin1"), ...body];
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\u0007",
  b: "\b",
  t: "\t",
  n: "\n",
  v: "\v",
  f: "\f",
  r: "\r",
  '"': '"',
  "\\": "\\",
};

/** Decodes a path (latin1 bytes) that git may have quoted. */
export function unquote(path: string): string {
  const bytes = path.startsWith('"')
    ? path
        .slice(1, -1)
        .replaceAll(/\\(?:([0-7]{3})|(.))/gs, (_, octal: string | undefined, char: string) =>
          octal === undefined
            ? (ESCAPES[char] ?? char)
            : String.fromCharCode(Number.parseInt(octal, 8)),
        )
    : path;
  return Buffer.from(bytes, "latin1").toString("utf8");
}
