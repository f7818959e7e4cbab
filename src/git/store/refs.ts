/** References of a repository. */
import { assertOid } from "../objects/oid.js";
import { assertRefName } from "./bare-repository.js";
import { removeStaleLocks } from "./stale-locks.js";
import { git, GitError, spawnGit, ZERO_OID, type GitProcess } from "../process/run.js";

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
 * After a transaction the process waits for the next one of its repository.
 */
export function startRefUpdates(repoPath: string): RefUpdates {
  const updater = takeUpdater(repoPath);
  let isOver = false;
  return {
    cancel: () => {
      if (!isOver) keepUpdater(repoPath, updater);
      isOver = true;
    },
    finish: async (updates) => {
      isOver = true;
      try {
        await updater.run(updates);
        keepUpdater(repoPath, updater);
      } catch (error) {
        if (!(error instanceof GitError && LOCKED.test(error.stderr))) throw error;
        // The lock of a killed git process blocks its reference. Another update may have removed it already.
        await removeStaleLocks(repoPath);
        const next = new RefUpdater(repoPath);
        await next.run(updates);
        keepUpdater(repoPath, next);
      }
    },
  };
}

const LOCKED = /Unable to create '[^']*\.lock': File exists/;

/** Milliseconds after which an idle process ends. */
const IDLE_MS = 2000;
/** Maximum number of idle processes, at most one for each repository. */
const MOST_IDLE = 16;
const UPDATE_MS = 60_000;

/** `git update-ref --stdin`, which runs transactions one after another until one of them fails. */
class RefUpdater {
  readonly #child: GitProcess;
  #output = "";
  #onOutput: (() => void) | undefined;
  #idle: NodeJS.Timeout | undefined;
  isOver = false;

  constructor(repoPath: string) {
    // It may wait for long; the time limit applies to `run`.
    this.#child = spawnGit(["update-ref", "--no-deref", "--stdin", "-z"], {
      gitDir: repoPath,
      stdin: "pipe",
      persistent: true,
      timeoutMs: 0,
    });
    this.#child.stdout.setEncoding("latin1").on("data", (text: string) => {
      this.#output += text;
      this.#onOutput?.();
    });
    const end = (): void => {
      this.isOver = true;
    };
    this.#child.done.then(end, end);
  }

  /**
   * Runs one transaction. After an error the process is over.
   * @throws RefMovedError, GitError
   */
  async run(updates: readonly RefUpdate[]): Promise<void> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#child.kill();
    }, UPDATE_MS);
    this.#output = "";
    const committed = new Promise<void>((resolve) => {
      this.#onOutput = () => {
        if (this.#output.includes("commit: ok\n")) resolve();
      };
    });
    try {
      this.#child.stdin?.write(`start\0${refCommands(updates)}commit\0`);
      // Not before the names are checked: nothing would handle the rejection.
      const ended = this.#child.done.then(() => {
        throw new GitError("exit", 0, "ended before the transaction", ["update-ref"]);
      });
      await Promise.race([committed, ended]);
    } catch (error) {
      this.isOver = true;
      this.#child.kill();
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
  }

  /** Ends the process unless it is used in time. */
  rest(onEnd: () => void): void {
    this.#idle = setTimeout(() => {
      onEnd();
      this.end();
    }, IDLE_MS);
  }

  wake(): void {
    clearTimeout(this.#idle);
  }

  end(): void {
    this.isOver = true;
    clearTimeout(this.#idle);
    this.#child.stdin?.end();
  }
}

const idleUpdaters = new Map<string, RefUpdater>();

function takeUpdater(repoPath: string): RefUpdater {
  const idle = idleUpdaters.get(repoPath);
  idleUpdaters.delete(repoPath);
  idle?.wake();
  return idle?.isOver === false ? idle : new RefUpdater(repoPath);
}

function keepUpdater(repoPath: string, updater: RefUpdater): void {
  if (updater.isOver) return;
  idleUpdaters.get(repoPath)?.end();
  idleUpdaters.set(repoPath, updater);
  updater.rest(() => idleUpdaters.delete(repoPath));
  for (const [oldest, evicted] of idleUpdaters) {
    if (idleUpdaters.size <= MOST_IDLE) break;
    idleUpdaters.delete(oldest);
    evicted.end();
  }
}

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
