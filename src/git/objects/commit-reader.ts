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

/** Returns a commit that was read lately, in any repository. */
export function recentCommit(oid: string): CommitHeader | undefined {
  return recent.get(oid);
}

/**
 * Reads commits by full ids; one that is missing or no commit is left out. Asks git only for commits
 * that were not read lately, so `oids` must be known to exist here, for example as parents.
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
  const objects = await readObjects(repoPath, asked, "contents");
  for (const [at, oid] of asked.entries()) {
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
 * Whether the ids are commits of this repository: a commit that was read lately may be of another.
 * @throws GitError
 */
export async function areCommits(repoPath: string, oids: readonly string[]): Promise<boolean> {
  const found = await readObjects(repoPath, oids, "info");
  return found.every((object, at) => object?.type === "commit" && object.oid === oids[at]);
}

/** Parses a commit's header (gitformat-commit); null if git would not accept it. */
function parseCommit(content: Buffer | null): CommitHeader | null {
  if (content === null) return null;
  const end = content.indexOf("\n\n");
  const text = content.toString("latin1", 0, end < 0 ? content.length : end);
  const [, tree] = /^tree ([0-9a-f]{40})\n/.exec(text) ?? [];
  const [, time] = /\ncommitter [^\n]*> (\d{1,15}) [+-]\d{4}(?:\n|$)/.exec(text) ?? [];
  if (tree === undefined || time === undefined) return null;
  const parents: string[] = [];
  for (let at = 46; text.startsWith("parent ", at); at += 48)
    parents.push(text.slice(at + 7, at + 47));
  return { tree, parents, time: Number(time) };
}
