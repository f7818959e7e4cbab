/** Checks the objects of a push before any of them is accepted. */
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import { assertOid } from "../objects/oid.js";
import { MAX_FILE_BYTES } from "../files/path-errors.js";
import { incompletePack, PackRefusedError, type Quarantine } from "./quarantine.js";
import { git, GitError, spawnGit } from "../process/run.js";
import { assertTreesWithin, TreeLimitError } from "../objects/tree-limits.js";

const INSPECT_MS = 10 * 60_000;

/** Input of `inspectPush`. */
export interface Inspection {
  /** The objects that references will point to. */
  tips: readonly string[];
  /** Objects of the repository that the pusher may read, with everything they reach. */
  known: readonly string[];
  /**
   * Whether the pusher can read only a part of the repository. The push must then contain every
   * object that is not readable; naming an id grants no access.
   */
  isNarrow: boolean;
  signal: AbortSignal;
}

/**
 * Checks that everything the tips reach exists, and that no file exceeds the size limit of a
 * commit.
 * @throws PackRefusedError naming the missing object or the large file
 */
export async function inspectPush(quarantine: Quarantine, inspection: Inspection): Promise<void> {
  const { tips, known, isNarrow, signal } = inspection;
  for (const oid of [...tips, ...known]) assertOid(oid);
  const sent = isNarrow ? await quarantine.objectIds() : null;
  const unsent = new Set<string>();
  const options = { gitDir: quarantine.path, timeoutMs: INSPECT_MS, signal, background: true };
  const input = [...tips, ...known.map((oid) => `^${oid}`), ""].join("\n");
  const listing = spawnGit(["rev-list", "--objects", "--stdin"], { ...options, input });
  const format = "--batch-check=%(objectname) %(objecttype) %(objectsize) %(rest)";
  const looking = spawnGit(["cat-file", format, "--buffer"], { ...options, stdin: "pipe" });
  try {
    if (looking.stdin === null) throw new Error("git was started without an input");
    const passing = pipeline(listing.stdout, looking.stdin);
    passing.catch(() => undefined);
    for await (const line of createInterface({ input: looking.stdout })) {
      // A name with a line break is cut here; its object was named before it.
      const found = /^([0-9a-f]{40}) ([a-z]+) (\d+) ?(.*)$/s.exec(line);
      if (found === null) continue;
      const [, oid = "", type = "", size = "", path = ""] = found;
      if (type === "blob" && Number(size) > MAX_FILE_BYTES) {
        throw new PackRefusedError(
          `${JSON.stringify(path)} is larger than 100 MiB; remove it from the commits`,
        );
      }
      if (sent !== null && !sent.has(oid)) unsent.add(oid);
    }
    await Promise.all([passing, listing.done, looking.done]);
  } catch (error) {
    if (error instanceof GitError && error.reason === "exit") throw incompletePack();
    throw error;
  } finally {
    listing.kill();
    looking.kill();
  }
  if (unsent.size > 0 && !(await areReached(unsent, known, options))) throw incompletePack();
}

/** Tells whether the known objects reach all of the ids; removes the reached ids from the set. */
async function areReached(
  ids: Set<string>,
  known: readonly string[],
  options: { gitDir: string; timeoutMs: number; signal: AbortSignal },
): Promise<boolean> {
  const input = [...known, ""].join("\n");
  const child = spawnGit(["rev-list", "--objects", "--stdin"], { ...options, input });
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      ids.delete(line.slice(0, 40));
      if (ids.size === 0) return true;
    }
    return false;
  } finally {
    child.kill();
  }
}

/**
 * Checks that no tree of the commits is too large to check out, compare or merge.
 * @throws PackRefusedError
 */
export async function inspectTrees(
  quarantine: Quarantine,
  commits: readonly string[],
): Promise<void> {
  try {
    await assertTreesWithin(quarantine.path, commits);
  } catch (error) {
    if (!(error instanceof TreeLimitError)) throw error;
    throw new PackRefusedError(`${error.message}; split the push into smaller commits or projects`);
  }
}

/** Returns the commits that the tips reach and `known` does not, parents before children. */
export async function newCommits(
  quarantine: Quarantine,
  tips: readonly string[],
  known: readonly string[],
): Promise<string[]> {
  for (const oid of [...tips, ...known]) assertOid(oid);
  const input = [...tips, ...known.map((oid) => `^${oid}`), ""].join("\n");
  const { stdout } = await git(["rev-list", "--topo-order", "--reverse", "--stdin"], {
    gitDir: quarantine.path,
    input,
    timeoutMs: INSPECT_MS,
    maxOutputBytes: 1024 ** 3,
  });
  return stdout.toString("latin1").split("\n").filter(Boolean);
}

/** Sorts objects into commits and tags of commits. One process for all. */
export async function commitsAmong(
  repoPath: string,
  oids: readonly string[],
): Promise<{ commits: Set<string>; tags: Set<string> }> {
  const found = { commits: new Set<string>(), tags: new Set<string>() };
  if (oids.length === 0) return found;
  for (const oid of oids) assertOid(oid);
  const input = oids.map((oid) => `${oid}^{commit}\n`).join("");
  const args = ["cat-file", "--batch-check=%(objectname) %(objecttype)", "--buffer"];
  const { stdout } = await git(args, { gitDir: repoPath, input, timeoutMs: INSPECT_MS });
  const lines = stdout.toString("latin1").split("\n");
  for (const [index, oid] of oids.entries()) {
    const line = lines[index] ?? "";
    if (line === `${oid} commit`) found.commits.add(oid);
    else if (line.endsWith(" commit")) found.tags.add(oid);
  }
  return found;
}
