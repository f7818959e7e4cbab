/**
 * Guards git against hostile `.gitignore` and `.gitattributes` files. git opens them by name: a
 * named pipe would block it forever, and a huge file would exhaust its memory. Symbolic links are
 * harmless, since git does not follow them for these files.
 */
import type { Stats } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { DotGitFileError, MAX_DOT_GIT_BYTES } from "../files/path-errors.js";
import { readSystem } from "../process/system-command.js";

/**
 * Checks a path that may be one of these files.
 * @param path latin1 bytes
 * @param look returns the stats of the path without following links; called only for these names
 * @throws DotGitFileError
 */
export function assertDotGitFile(path: string, look: () => Stats | null): void {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const stats = name === ".gitignore" || name === ".gitattributes" ? look() : null;
  if (
    stats === null ||
    stats.isSymbolicLink() ||
    (stats.isFile() && stats.size <= MAX_DOT_GIT_BYTES)
  ) {
    return;
  }
  throw new DotGitFileError(Buffer.from(path, "latin1").toString("utf8"));
}

/** Interval of the checks; git usually finishes before the first. */
const LOOK_MS = 500;

/**
 * Runs work that makes git read a folder, and aborts it through its signal if such a file may block
 * git.
 * @throws DotGitFileError
 */
export async function guardDotGitFiles<Result>(
  folder: string,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const stuck = new AbortController();
  const done = new AbortController();
  let found: string | null = null;
  const look = async (): Promise<void> => {
    while (found === null) {
      await pause(LOOK_MS, undefined, { signal: done.signal });
      found = await findHarmful(folder, done.signal);
    }
    stuck.abort();
  };
  const looking = look().catch(() => undefined);
  try {
    return await work(AbortSignal.any([stuck.signal, ...(signal ? [signal] : [])]));
  } catch (error) {
    throw stuck.signal.aborted && found !== null ? new DotGitFileError(found) : error;
  } finally {
    done.abort();
    await looking;
  }
}

/**
 * Returns the path, relative to the folder, of a file that git must not open; null if there is
 * none.
 */
async function findHarmful(folder: string, signal: AbortSignal): Promise<string | null> {
  const named = ["(", "-name", ".gitignore", "-o", "-name", ".gitattributes", ")"];
  const large = ["-size", `+${MAX_DOT_GIT_BYTES / 1024}k`];
  const harmful = ["!", "-type", "l", "(", "!", "-type", "f", "-o", ...large, ")"];
  // git looks for none in a repository at the top.
  const skipped = [
    "-path",
    `${folder.replaceAll(/[\\*?[]/g, String.raw`\$&`)}/.git`,
    "-prune",
    "-o",
  ];
  const args = [folder, "-xdev", ...skipped, ...named, ...harmful, "-printf", "%P", "-quit"];
  // The exit code reports unreadable folders, which do not matter.
  return (await readSystem("find", args, signal)) || null;
}
