/**
 * A project's store: a bare repository that only the server writes. Everywhere `repoPath` is the
 * absolute path of that repository.
 */
import { exists, createDirectoryAtomically, flushToDisk } from "../worktree/atomic-directory.js";
import { assertOid, assertRefName, initBare, isOid, isRefName } from "./bare-repository.js";
import { looseObject, writeObject, type LooseObject } from "../objects/loose-object.js";
import { readObjects } from "../objects/object-reader.js";
import { git, GitError } from "../process/run.js";

/** Name and address of an author or committer. */
export interface Person {
  name: string;
  email: string;
}

/** Who the server commits as. */
export const OMOI: Person = { name: "Omoi", email: "omoi@localhost" };

/**
 * Makes the store with one empty root commit "Initial commit" on `branch` (a short name), HEAD on
 * it. A store that is there already is whole and is left as it is. Answers the commit of HEAD.
 */
export async function createRepository(
  repoPath: string,
  branch: string,
): Promise<{ head: string }> {
  const ref = `refs/heads/${branch}`;
  assertRefName(ref);
  if (await exists(repoPath)) {
    const head = await resolveCommit(repoPath, ref);
    if (head === null) throw new Error(`the store exists without the branch ${branch}`);
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
 * The commit that `rev` names, or null where there is none. `rev` is a full reference name or 40
 * hexadecimal digits; anything else is null.
 */
export async function resolveCommit(repoPath: string, rev: string): Promise<string | null> {
  if (!isOid(rev) && !isRefName(rev)) return null;
  try {
    const [found] = await readObjects(repoPath, [`${rev}^{commit}`], "info");
    return found?.oid ?? null;
  } catch (error) {
    // There is no repository.
    if (error instanceof GitError && error.reason === "exit") return null;
    throw error;
  }
}

/** What a reference names itself, an annotated tag not looked through; null where there is none. */
export async function resolveObject(repoPath: string, ref: string): Promise<string | null> {
  assertRefName(ref);
  const args = ["rev-parse", "--verify", "--quiet", "--end-of-options", ref];
  const result = await git(args, { gitDir: repoPath, okExitCodes: [0, 1, 128] });
  const oid = result.stdout.toString("latin1").trim();
  return result.exitCode === 0 && isOid(oid) ? oid : null;
}

/** Whether `ancestor` is `descendant` or reachable from it; throws where either is no commit. */
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

/** A branch that holds the commit, or null where none does; throws where it is no commit. */
export async function branchHolding(repoPath: string, sha: string): Promise<string | null> {
  assertOid(sha);
  const args = ["for-each-ref", "--count=1", "--format=%(refname)", `--contains=${sha}`];
  const { stdout } = await git([...args, "refs/heads/"], { gitDir: repoPath });
  return stdout.toString("utf8").trim() || null;
}

/** Commits reachable from `tip` and from none of `exclude`, newest first, children before parents. */
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

/** What a commit is made of; tree and parents are in the store. */
export interface NewCommit {
  tree: string;
  parents: readonly string[];
  message: string;
  author: Person;
  date: Date;
  committer?: Person;
}

/**
 * Writes a commit and answers its id; no reference moves. The message is stored as UTF-8 with one
 * newline at its end; the date is written in UTC, to the second. Names lose what git cannot hold.
 * Equal input gives an equal id.
 */
export async function commitTree(repoPath: string, commit: NewCommit): Promise<string> {
  return writeObject(repoPath, commitObject(commit));
}

/** Stores a file's content and answers its id; no reference names it yet. */
export async function writeBlob(repoPath: string, content: string): Promise<string> {
  return writeObject(repoPath, looseObject("blob", Buffer.from(content, "utf8")));
}

/** The commit as git would write it, without a process: its id is known before it is stored. */
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

/** Without control characters, `<`, `>`, and what git strips from the ends of a name. */
function identity(text: string): string {
  return text
    .replaceAll(/[\u0000-\u001f\u007f<>]+/g, " ")
    .replace(CRUD_BEFORE, "")
    .slice(0, 255)
    .replace(CRUD_AFTER, "");
}

const CRUD_BEFORE = /^[\s.,:;"'\\]+/;
const CRUD_AFTER = /[\s.,:;"'\\]+$/;

/** The tree of a commit; throws a GitError where there is no such commit. */
export async function resolveTree(repoPath: string, commit: string): Promise<string> {
  assertOid(commit);
  const [found] = await readObjects(repoPath, [`${commit}^{tree}`], "info");
  if (!found) throw new GitError("exit", null, `there is no commit ${commit}`, ["cat-file"]);
  return found.oid;
}

/** A commit's parents, the first one first; throws a GitError where there is no such commit. */
export async function commitParents(repoPath: string, commit: string): Promise<string[]> {
  assertOid(commit);
  const args = ["rev-list", "--parents", "--max-count=1", commit, "--"];
  const { stdout } = await git(args, { gitDir: repoPath });
  return stdout.toString("latin1").trim().split(" ").slice(1);
}

/** The newest commit that both have in common, the first where there are several; null without one. */
export async function mergeBase(
  repoPath: string,
  one: string,
  other: string,
): Promise<string | null> {
  assertOid(one);
  assertOid(other);
  const result = await git(["merge-base", one, other], { gitDir: repoPath, okExitCodes: [0, 1] });
  return result.exitCode === 0 ? result.stdout.toString("latin1").trim().slice(0, 40) : null;
}
