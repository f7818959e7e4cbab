/** Reads the headers of commits, many at once. */
import { readObjects } from "./object-reader.js";

/** The part of a commit that its history and files follow from. */
export interface CommitHeader {
  tree: string;
  parents: readonly string[];
  /** Seconds of its committer's clock. */
  time: number;
}

/**
 * Recently read commits: each merge walks almost the same history as the one before. Commits are
 * immutable and the same in every repository.
 */
const recent = new Map<string, CommitHeader>();
const MAX_COMMITS = 50_000;
/** Larger commits are left to git. */
const MAX_COMMIT_BYTES = 64 * 1024;

/** Returns a commit that was read recently, in any repository. */
export function recentCommit(oid: string): CommitHeader | undefined {
  return recent.get(oid);
}

/**
 * Reads commits by full ids; one that is missing or no commit is left out. Asks git only for commits
 * that were not read recently, so `oids` must be known to exist here, for example as parents.
 * @throws GitError
 */
export async function readCommits(
  repoPath: string,
  oids: readonly string[],
): Promise<Map<string, CommitHeader>> {
  const found = new Map<string, CommitHeader>();
  const asked: string[] = [];
  for (const oid of oids) {
    const known = recent.get(oid);
    if (known) found.set(oid, known);
    else asked.push(oid);
  }
  const sizes = await readObjects(repoPath, asked, "info");
  const small = asked.filter((_oid, at) => (sizes[at]?.size ?? Infinity) <= MAX_COMMIT_BYTES);
  const objects = await readObjects(repoPath, small, "contents");
  for (const [at, oid] of small.entries()) {
    const object = objects[at];
    const header = object?.type === "commit" ? parseCommit(object.content) : null;
    if (header === null) continue;
    found.set(oid, header);
    recent.set(oid, header);
  }
  for (const oldest of recent.keys()) {
    if (recent.size <= MAX_COMMITS) break;
    recent.delete(oldest);
  }
  return found;
}

/** Reads one commit of this repository; null if it is missing or no commit. @throws GitError */
export async function readCommit(repoPath: string, oid: string): Promise<CommitHeader | null> {
  return (await areCommits(repoPath, [oid]))
    ? ((await readCommits(repoPath, [oid])).get(oid) ?? null)
    : null;
}

/**
 * Whether the ids are commits of this repository: a commit that was read recently may be of another.
 * @throws GitError
 */
export async function areCommits(repoPath: string, oids: readonly string[]): Promise<boolean> {
  const found = await readObjects(repoPath, oids, "info");
  return found.every((object, at) => object?.type === "commit" && object.oid === oids[at]);
}

/** Parses a commit's header (gitformat-commit); null for an unusual one. */
function parseCommit(content: Buffer | null): CommitHeader | null {
  if (content === null) return null;
  const end = content.indexOf("\n\n");
  const text = content.toString("latin1", 0, end < 0 ? content.length : end);
  const [, time] = /\ncommitter [^\n]*> (\d{1,15}) [+-]\d{4}(?:\n|$)/.exec(text) ?? [];
  if (!/^tree [0-9a-f]{40}\n/.test(text) || time === undefined) return null;
  // A part of `text` would keep all of it in memory.
  const idAt = (at: number): string => content.toString("latin1", at, at + 40);
  const tree = idAt(5);
  const parents: string[] = [];
  for (let at = 46; text.startsWith("parent ", at); at += 48) parents.push(idAt(at + 7));
  return { tree, parents, time: Number(time) };
}
