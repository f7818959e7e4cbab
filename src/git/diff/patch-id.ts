import { createHash } from "node:crypto";
import { git } from "../process/run.js";
import { diffFilesWithBlobs, rawDiff } from "./diff.js";

/** Files whose modes and binary contents count; a change of more has no id. */
const MAX_FILES = 20_000;

/**
 * Returns what identifies the change between two commits, whatever it is based on: `git patch-id --stable`, and the
 * modes and binary contents that this leaves out. Null for no change, and for one that is too large to tell.
 * @throws GitError
 */
export async function patchIdOf(
  repoPath: string,
  from: string,
  to: string,
): Promise<string | null> {
  const { files, stats, blobs } = await diffFilesWithBlobs(repoPath, from, to, {
    patch: false,
    maxFiles: MAX_FILES,
  });
  if (stats.files_changed === 0 || stats.files_changed > files.length) return null;
  const { stdout } = await git(["patch-id", "--stable"], {
    gitDir: repoPath,
    input: rawDiff(repoPath, from, to),
    timeoutMs: 5 * 60_000,
  });
  const hash = createHash("sha1").update(stdout.toString("latin1").slice(0, 40));
  for (const file of files) {
    const { path, old_path, old_mode, new_mode, binary, status } = file;
    const contents = binary ? blobs.get(file) : null;
    hash.update(JSON.stringify([path, old_path, status, old_mode, new_mode, contents]));
  }
  return hash.digest("hex");
}
