/** References of a repository. */
import { assertOid, assertRefName } from "./bare-repository.js";
import { git, GitError, spawnGit, ZERO_OID } from "../process/run.js";

/** A reference does not have the expected value; nothing was changed. */
export class RefMovedError extends Error {
  override readonly name = "RefMovedError";
  readonly ref: string;

  constructor(ref: string) {
    super(`${ref} was updated concurrently`);
    this.ref = ref;
  }
}

/** The update of one reference; `null` means "does not exist". */
export interface RefUpdate {
  ref: string;
  newSha: string | null;
  expectedOld: string | null;
}

/**
 * Moves `ref` from `expectedOld` to `newSha` atomically; `expectedOld: null` means that it must not
 * exist yet.
 * @throws RefMovedError if it has another value
 * @throws GitError
 */
export async function updateRef(
  repoPath: string,
  ref: string,
  newSha: string,
  expectedOld: string | null,
): Promise<void> {
  await updateRefs(repoPath, [{ ref, newSha, expectedOld }]);
}

/**
 * Deletes `ref` if it has the value `expectedOld`.
 * @throws RefMovedError otherwise
 */
export async function deleteRef(repoPath: string, ref: string, expectedOld: string): Promise<void> {
  await updateRefs(repoPath, [{ ref, newSha: null, expectedOld }]);
}

/**
 * Updates several references in one transaction: all or none.
 * @throws RefMovedError for the first reference that does not have its expected value
 */
export async function updateRefs(repoPath: string, updates: readonly RefUpdate[]): Promise<void> {
  await startRefUpdates(repoPath).finish(updates);
}

/** A prepared reference transaction; it holds no lock before `finish`. */
export interface RefUpdates {
  /** Same as `updateRefs`. */
  finish(updates: readonly RefUpdate[]): Promise<void>;
  /** Ends the transaction without updates; no effect after `finish`. */
  cancel(): void;
}

/**
 * Starts the git process of `updateRefs` early: starting git takes longer than moving a reference.
 */
export function startRefUpdates(repoPath: string): RefUpdates {
  // It may wait for long; the time limit applies to `finish`.
  const child = spawnGit(["update-ref", "--no-deref", "--stdin", "-z"], {
    gitDir: repoPath,
    stdin: "pipe",
    persistent: true,
    timeoutMs: 0,
  });
  child.stdout.resume();
  return {
    cancel: () => child.kill(),
    finish: async (updates) => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        child.kill();
      }, UPDATE_MS);
      try {
        child.stdin?.end(refCommands(updates));
        await child.done;
      } catch (error) {
        child.kill();
        if (!(error instanceof GitError)) throw error;
        if (late) throw new GitError("timeout", error.exitCode, error.stderr, error.args);
        if (error.reason === "exit" && MOVED.test(error.stderr)) {
          const named = updates.find(({ ref }) => error.stderr.includes(`'${ref}'`)) ?? updates[0];
          throw new RefMovedError(named?.ref ?? "");
        }
        throw error;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

const UPDATE_MS = 60_000;

function refCommands(updates: readonly RefUpdate[]): string {
  for (const { ref, newSha, expectedOld } of updates) {
    assertRefName(ref);
    if (newSha !== null) assertOid(newSha);
    if (expectedOld !== null) assertOid(expectedOld);
  }
  return updates
    .map(({ ref, newSha, expectedOld }) =>
      newSha === null
        ? `delete ${ref}\0${expectedOld ?? ZERO_OID}\0`
        : `update ${ref}\0${newSha}\0${expectedOld ?? ZERO_OID}\0`,
    )
    .join("");
}

const MOVED =
  /is at [0-9a-f]{40} but expected|reference already exists|unable to resolve reference|reference is missing/;

/** Maximum branches and tags of a repository: git reads all of them for each clone and push. */
export const MAX_REFS = 50_000;

/**
 * Lists the references under `prefix` (`refs/heads/`, or one full name) with their objects, by
 * name.
 */
export async function listRefs(
  repoPath: string,
  prefix: string,
): Promise<{ ref: string; sha: string }[]> {
  if (!/^refs\/[^\u0000-\u0020*?[\\]*$/.test(prefix)) throw new TypeError("not a ref prefix");
  const args = ["for-each-ref", "--format=%(objectname) %(refname)", "--", prefix];
  const { stdout } = await git(args, { gitDir: repoPath });
  const lines = stdout.toString("utf8").split("\n").filter(Boolean);
  return lines.map((line) => ({ sha: line.slice(0, 40), ref: line.slice(41) }));
}
