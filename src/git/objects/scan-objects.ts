/** Scans objects in a repository or in a quarantine for API keys. */
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { assertOid } from "./oid.js";
import { spawnGit, type GitOptions } from "../process/run.js";
import { displayPath } from "../files/safe-folder.js";
import type { TokenScan } from "./token-scan.js";

const SCAN_MS = 10 * 60_000;
const FORMAT = "%(objectname) %(objecttype) %(objectsize) %(rest)";

/** A file entry: path in latin1 bytes, mode in six octal digits. */
interface FileEntry {
  path: string;
  mode: string;
  oid: string;
}

/** Scans the contents of files; submodules have none and are skipped. */
export async function scanEntries(
  options: GitOptions,
  entries: readonly FileEntry[],
  scan: TokenScan,
): Promise<void> {
  const files = entries.filter(({ oid, mode }) => mode !== "160000" && !/^0+$/.test(oid));
  if (files.length === 0) return;
  const names = files.map(({ oid }, index) => `${oid} ${index}\n`);
  await scanListed(options, Readable.from(names), scan, (rest) =>
    displayPath(files[Number(rest)]?.path ?? ""),
  );
}

/**
 * Scans the files that `tips` reach and `known` does not, and the messages of these commits and
 * tags, which are reported by their id.
 * @throws GitError
 */
export async function scanReachable(
  gitDir: string,
  tips: readonly string[],
  known: readonly string[],
  scan: TokenScan,
  signal: AbortSignal,
): Promise<void> {
  for (const oid of [...tips, ...known]) assertOid(oid);
  const options = { gitDir, timeoutMs: SCAN_MS, signal };
  const input = [...tips, ...known.map((oid) => `^${oid}`), ""].join("\n");
  const listing = spawnGit(["rev-list", "--objects", "--stdin"], { ...options, input });
  try {
    await scanListed(options, listing.stdout, scan, (rest, oid) => rest || `message of ${oid}`);
    await listing.done;
  } finally {
    listing.kill();
  }
}

/** @param list lines of an object id and, after a space, the input of `nameOf` */
async function scanListed(
  options: GitOptions,
  list: Readable,
  scan: TokenScan,
  nameOf: (rest: string, oid: string) => string,
): Promise<void> {
  const child = spawnGit(["cat-file", `--batch=${FORMAT}`, "--buffer"], {
    ...options,
    timeoutMs: SCAN_MS,
    stdin: "pipe",
  });
  if (child.stdin === null) throw new Error("git was started without an input");
  try {
    await Promise.all([
      pipeline(list, child.stdin),
      readObjects(child.stdout, ({ oid, type, rest }) =>
        type === "tree" ? null : scan.start(nameOf(rest, oid)),
      ),
      child.done,
    ]);
  } finally {
    child.kill();
  }
}

interface Header {
  oid: string;
  type: string;
  rest: string;
}

/** Parses the output of `cat-file --batch` without buffering whole objects. */
async function readObjects(
  output: Readable,
  start: (header: Header) => ((piece: Buffer) => void) | null,
): Promise<void> {
  let header = Buffer.alloc(0);
  let read: ((piece: Buffer) => void) | null = null;
  /** Remaining bytes of the object and its trailing newline; 0 while reading a header. */
  let left = 0;
  for await (const chunk of output) {
    let bytes = chunk as Buffer;
    while (bytes.length > 0) {
      if (left === 0) {
        const end = bytes.indexOf(0x0a);
        header = Buffer.concat([header, end < 0 ? bytes : bytes.subarray(0, end)]);
        if (end < 0) break;
        bytes = bytes.subarray(end + 1);
        const found = /^([0-9a-f]{40}) ([a-z]+) (\d+) ?(.*)$/s.exec(header.toString("utf8"));
        header = Buffer.alloc(0);
        if (found === null) throw new Error("git reports a missing object");
        const [, oid = "", type = "", size = "", rest = ""] = found;
        read = start({ oid, type, rest });
        left = Number(size) + 1;
        continue;
      }
      const piece = bytes.subarray(0, Math.min(bytes.length, left));
      left -= piece.length;
      // The last byte is the newline.
      const content = left === 0 ? piece.subarray(0, -1) : piece;
      if (content.length > 0) read?.(content);
      bytes = bytes.subarray(piece.length);
    }
  }
}
