/**
 * The repository of a project: a bare repository that only the server writes. `repoPath` is its
 * absolute path everywhere.
 */
import { exists, createDirectoryAtomically, flushToDisk } from "../files/atomic-directory.js";
import { assertOid, isOid } from "../objects/oid.js";
import { assertRefName, initBare, isRefName } from "./bare-repository.js";
import { readCommit } from "../objects/commit-reader.js";
import { compareHistories } from "./compare-histories.js";
import { looseObject, writeObject, type LooseObject } from "../objects/loose-object.js";
import { readLoose, readLooseRef } from "../objects/loose-reader.js";
import { readObjects } from "../objects/object-reader.js";
import { git, GitError, type ProcessOptions } from "../process/run.js";

/** Name and email address of an author or committer. */
export interface Person {
  name: string;
  email: string;
}

/** The server's own identity in commits. */
export const OMOI: Person = { name: "Omoi", email: "omoi@localhost" };

/**
 * Creates a repository with one empty root commit "Initial commit" on `branch` (a short name) and
 * HEAD pointing to it. An existing repository is complete and stays as it is. Returns the commit of
 * HEAD.
 */
export async function createRepository(
  repoPath: string,
  branch: string,
): Promise<{ head: string }> {
  const ref = `refs/heads/${branch}`;
  assertRefName(ref);
  if (await exists(repoPath)) {
    const head = await resolveCommit(repoPath, ref);
    if (head === null) throw new Error(`the repository exists without the branch ${branch}`);
    return { head };
  }
  return createDirectoryAtomically(repoPath, async (folder) => {
    await initBare(folder, branch);
    const seconds = Math.floor(Date.now() / 1000);
    const commands = [
      `commit ${ref}`,
      "mark :1",
      `committer ${OMOI.name} <${OMOI.email}> ${seconds} +0000`,
      "data 15\nInitial commit\n",
      "get-mark :1",
      "done\n",
    ];
    const args = ["fast-import", "--quiet", "--done", "--date-format=raw"];
    const { stdout } = await git(args, { gitDir: folder, input: commands.join("\n") });
    await flushToDisk(folder);
    return { head: stdout.toString("latin1").trim() };
  });
}

/**
 * Resolves `rev`, a full reference name or 40 hexadecimal digits, to a commit; null for anything
 * else and for missing commits.
 */
export async function resolveCommit(repoPath: string, rev: string): Promise<string | null> {
  if (!isOid(rev) && !isRefName(rev)) return null;
  const oid = isOid(rev) ? rev : readLooseRef(repoPath, rev);
  if (oid !== null && readLoose(repoPath, oid)?.type === "commit") return oid;
  try {
    const [found] = await readObjects(repoPath, [`${rev}^{commit}`], "info");
    return found?.oid ?? null;
  } catch (error) {
    // The repository does not exist.
    if (error instanceof GitError && error.reason === "exit") return null;
    throw error;
  }
}

/**
 * Returns the object that a reference points to, without peeling annotated tags; null if it is
 * missing.
 */
export async function resolveObject(repoPath: string, ref: string): Promise<string | null> {
  assertRefName(ref);
  const args = ["rev-parse", "--verify", "--quiet", "--end-of-options", ref];
  const result = await git(args, { gitDir: repoPath, okExitCodes: [0, 1, 128] });
  const oid = result.stdout.toString("latin1").trim();
  return result.exitCode === 0 && isOid(oid) ? oid : null;
}

/**
 * Tells whether `ancestor` equals `descendant` or is reachable from it; throws if either is not a
 * commit.
 */
export async function isAncestor(
  repoPath: string,
  ancestor: string,
  descendant: string,
): Promise<boolean> {
  assertOid(ancestor);
  assertOid(descendant);
  const args = ["merge-base", "--is-ancestor", ancestor, descendant];
  return (await git(args, { gitDir: repoPath, okExitCodes: [0, 1] })).exitCode === 0;
}

/** Returns a branch that contains the commit, or null; throws if it is not a commit. */
export async function findBranchContaining(repoPath: string, sha: string): Promise<string | null> {
  assertOid(sha);
  const args = ["for-each-ref", "--count=1", "--format=%(refname)", `--contains=${sha}`];
  const { stdout } = await git([...args, "refs/heads/"], { gitDir: repoPath });
  return stdout.toString("utf8").trim() || null;
}

/**
 * Returns the commits reachable from `tip` and from none of `exclude`, newest first, children
 * before parents.
 */
export async function commitsBetween(
  repoPath: string,
  tip: string,
  exclude: readonly string[],
): Promise<string[]> {
  for (const sha of [tip, ...exclude]) assertOid(sha);
  const input = [tip, ...exclude.map((sha) => `^${sha}`), ""].join("\n");
  const { stdout } = await git(["rev-list", "--topo-order", "--stdin"], {
    gitDir: repoPath,
    input,
  });
  return stdout.toString("latin1").split("\n").filter(Boolean);
}

/** The content of a new commit; tree and parents must exist. */
export interface NewCommit {
  tree: string;
  parents: readonly string[];
  message: string;
  author: Person;
  date: Date;
  committer?: Person;
}

/**
 * Writes a commit and returns its id; moves no reference. The message is stored as UTF-8 with one
 * trailing newline; the date is in UTC, to the second. Characters that git forbids are removed from
 * names. Deterministic: equal input gives an equal id.
 */
export async function commitTree(repoPath: string, commit: NewCommit): Promise<string> {
  return writeObject(repoPath, commitObject(commit));
}

/** Stores a blob and returns its id; no reference names it yet. */
export async function writeBlob(repoPath: string, content: string): Promise<string> {
  return writeObject(repoPath, looseObject("blob", Buffer.from(content, "utf8")));
}

/**
 * Builds the commit object in memory, as git would write it: its id is known before it is stored.
 */
export function commitObject(commit: NewCommit): LooseObject {
  const { author, committer = OMOI } = commit;
  for (const sha of [commit.tree, ...commit.parents]) assertOid(sha);
  const date = `${Math.floor(commit.date.getTime() / 1000)} +0000`;
  const lines = [
    `tree ${commit.tree}`,
    ...[...new Set(commit.parents)].map((sha) => `parent ${sha}`),
    `author ${identity(author.name) || "Unknown"} <${identity(author.email)}> ${date}`,
    `committer ${identity(committer.name) || OMOI.name} <${identity(committer.email)}> ${date}`,
    "",
    `${commit.message.replaceAll("\0", "").trimEnd()}\n`,
  ];
  return looseObject("commit", Buffer.from(lines.join("\n")));
}

/**
 * Removes control characters, `<`, `>`, and the characters that git strips from the ends of a name.
 */
function identity(text: string): string {
  return text
    .replaceAll(/[\u0000-\u001f\u007f<>]+/g, " ")
    .replace(CRUD_BEFORE, "")
    .slice(0, 255)
    .replace(CRUD_AFTER, "");
}

const CRUD_BEFORE = /^[\s.,:;"'\\]+/;
const CRUD_AFTER = /[\s.,:;"'\\]+$/;

/**
 * Returns the tree of a commit.
 * @throws GitError if the commit does not exist
 */
export async function resolveTree(repoPath: string, commit: string): Promise<string> {
  assertOid(commit);
  const header = await readCommit(repoPath, commit);
  if (header) return header.tree;
  const [found] = await readObjects(repoPath, [`${commit}^{tree}`], "info");
  if (!found) throw new GitError("exit", null, `there is no commit ${commit}`, ["cat-file"]);
  return found.oid;
}

/**
 * Returns the parents of a commit, first parent first.
 * @throws GitError if the commit does not exist
 */
export async function commitParents(repoPath: string, commit: string): Promise<string[]> {
  assertOid(commit);
  const args = ["rev-list", "--parents", "--max-count=1", commit, "--"];
  const { stdout } = await git(args, { gitDir: repoPath });
  return stdout.toString("latin1").trim().split(" ").slice(1);
}

/** Returns the merge base of two commits, the first if there are several; null without one. */
export async function mergeBase(
  repoPath: string,
  a: string,
  b: string,
  process: ProcessOptions = {},
): Promise<string | null> {
  assertOid(a);
  assertOid(b);
  const histories = await compareHistories(repoPath, { source: a, target: b });
  if (histories) return histories.base;
  const options = { gitDir: repoPath, okExitCodes: [0, 1], ...process };
  const result = await git(["merge-base", a, b], options);
  return result.exitCode === 0 ? result.stdout.toString("latin1").trim().slice(0, 40) : null;
}
