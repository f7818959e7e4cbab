/** Stores the files that a command has regenerated in a folder. */
import { storeFile } from "../../objects/store-file.js";
import type { TokenScan } from "../../objects/token-scan.js";
import { SafeFolder } from "../../files/safe-folder.js";

/** Maximum bytes of a regenerated file. */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Stores regular files of an untrusted folder, and nothing else of it. Returns their blobs, or why one of
 * them is refused, in one sentence.
 * @param paths as text
 * @param scan gets their content
 * @throws GitError, or an error of the file system
 */
export async function storeRegenerated(
  repoPath: string,
  folder: string,
  paths: readonly string[],
  scan: TokenScan,
): Promise<{ path: string; oid: string }[] | { reason: string }> {
  const safe = await SafeFolder.open(folder);
  try {
    const stored: { path: string; oid: string }[] = [];
    for (const path of paths) {
      const place = Buffer.from(path, "utf8").toString("latin1");
      const found = await safe.find(place);
      if (found.kind === "gone") return { reason: `The command removed ${path}.` };
      if (found.kind !== "file") {
        return { reason: `The command replaced ${path} by ${nouns[found.kind]}.` };
      }
      if (found.stats.size > MAX_BYTES) return { reason: `The new ${path} is larger than 16 MiB.` };
      const pieces: Buffer[] = [];
      const scanPiece = scan.start(path);
      const file = await storeFile(safe, { gitDir: repoPath }, place, (piece) => {
        pieces.push(piece);
        scanPiece(piece);
      });
      if (file === null) return { reason: `The new ${path} cannot be read.` };
      if (hasMarkers(Buffer.concat(pieces).toString("latin1"))) {
        return { reason: `The new ${path} has conflict markers.` };
      }
      stored.push({ path, oid: file.oid });
    }
    return stored;
  } finally {
    await safe.close();
  }
}

const nouns = {
  link: "a symbolic link",
  folder: "a folder",
  fifo: "a named pipe",
  socket: "a socket",
  device: "a device",
};

function hasMarkers(text: string): boolean {
  return [/^<{7}(?: |\r?$)/m, /^={7}\r?$/m, /^>{7}(?: |\r?$)/m].every((marker) =>
    marker.test(text),
  );
}
