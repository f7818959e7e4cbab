import { git, GitError } from "#git/process/run.js";
import { isAncestor, resolveTree } from "#git/store/repository.js";

/** The commits and references of a repository that is older than the database. */
export interface StoredCommits {
  /** All references with their objects. */
  readonly refs: ReadonlyMap<string, string>;
  /** Whether the repository has a commit with its whole history and all its files. */
  has(sha: string): boolean;
  treeOf(sha: string): Promise<string>;
  /** Whether a commit of the repository is an ancestor of another one, or the same. */
  isAncestor(sha: string, of: string): Promise<boolean>;
}

/** Output of git that lists all commits of a large repository. */
const maxOutputBytes = 1024 ** 3;

/**
 * Reads a repository whose references are of one moment, and whose objects were copied later. An object that no
 * reference needs may be there without those that it needs, so that each one of `candidates` is checked.
 * @param candidates commits without a reference that may have been complete at that moment
 */
export async function readStoredCommits(
  repoPath: string,
  candidates: readonly string[],
): Promise<StoredCommits> {
  const options = { gitDir: repoPath, timeoutMs: 0, maxOutputBytes };
  const listed = await git(["for-each-ref", "--format=%(objectname) %(refname)"], options);
  const refs = new Map(
    linesOf(listed.stdout).map((line) => [line.slice(41), line.slice(0, 40)] as const),
  );
  const known = new Set(linesOf((await git(["rev-list", "--all"], options)).stdout));
  const further = [...new Set(candidates)].filter((sha) => !known.has(sha));
  for (const sha of await completeOf(repoPath, further)) known.add(sha);
  return {
    refs,
    has: (sha) => known.has(sha),
    treeOf: (sha) => resolveTree(repoPath, sha),
    isAncestor: (sha, of) => isAncestor(repoPath, sha, of),
  };
}

/** Returns those of the commits that are there with everything that they need. */
async function completeOf(repoPath: string, shas: readonly string[]): Promise<string[]> {
  if (shas.length === 0) return [];
  const options = { gitDir: repoPath, timeoutMs: 0, maxOutputBytes };
  const { stdout } = await git(["cat-file", "--batch-check=%(objecttype)"], {
    ...options,
    input: shas.map((sha) => `${sha}\n`).join(""),
  });
  const types = linesOf(stdout);
  const there = shas.filter((_sha, index) => types[index] === "commit");
  const areComplete = async (some: readonly string[]): Promise<boolean> => {
    const input = [...some, "--not", "--all", ""].join("\n");
    try {
      await git(["rev-list", "--objects", "--quiet", "--stdin"], { ...options, input });
      return true;
    } catch (error) {
      if (error instanceof GitError && error.reason === "exit") return false;
      throw error;
    }
  };
  if (there.length === 0 || (await areComplete(there))) return there;
  const complete: string[] = [];
  for (const sha of there) if (await areComplete([sha])) complete.push(sha);
  return complete;
}

const linesOf = (output: Buffer): string[] => output.toString("utf8").split("\n").filter(Boolean);
