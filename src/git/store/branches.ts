import { isOid } from "../objects/oid.js";
import { assertRefName, isRefName } from "./bare-repository.js";
import { compareHistories } from "./compare-histories.js";
import { commitDate } from "./history.js";
import { resolveCommit } from "./repository.js";
import { git, type ProcessOptions } from "../process/run.js";

/** A branch and its tip. */
export interface Branch {
  name: string;
  sha: string;
  /** The committer date. */
  date: Date;
  /** The first line of the message. */
  subject: string;
}

const FORMAT = "%(objectname)%00%(refname)%00%(committerdate:unix)%00%(contents:subject)";

/** Lists the branches of a repository in byte order; none if it is empty. */
export async function listBranches(repoPath: string): Promise<Branch[]> {
  const { stdout } = await git(["for-each-ref", `--format=${FORMAT}`, "refs/heads/"], {
    gitDir: repoPath,
  });
  const lines = stdout.toString("utf8").split("\n").filter(Boolean);
  return lines.map((line) => {
    const [sha = "", ref = "", seconds = "", subject = ""] = line.split("\0");
    return {
      name: ref.slice("refs/heads/".length),
      sha,
      date: commitDate(seconds),
      subject: subject.slice(0, 500),
    };
  });
}

/** Lists the branches that contain a commit; none if the store lacks it. */
export async function branchesContaining(repoPath: string, commit: string): Promise<string[]> {
  if (!isOid(commit)) return [];
  const args = ["for-each-ref", `--contains=${commit}`, "--format=%(refname)", "refs/heads/"];
  // 129: the commit does not exist.
  const { stdout } = await git(args, { gitDir: repoPath, okExitCodes: [0, 129] });
  const refs = stdout.toString("utf8").split("\n").filter(Boolean);
  return refs.map((ref) => ref.slice("refs/heads/".length));
}

/**
 * Counts the commits that each of two revisions has and the other lacks; null where one is missing. A
 * revision is a full reference name or an object id.
 */
export async function countApart(
  repoPath: string,
  here: string,
  there: string,
  process: ProcessOptions = {},
): Promise<{ ahead: number; behind: number } | null> {
  for (const rev of [here, there]) if (!isOid(rev) && !isRefName(rev)) return null;
  const [source, target] = await Promise.all(
    [here, there].map((rev) => resolveCommit(repoPath, rev)),
  );
  if (source == null || target == null) return null;
  const apart = await compareHistories(repoPath, { source, target });
  if (apart) return { ahead: apart.source.length, behind: apart.target.length };
  const args = ["rev-list", "--left-right", "--count", `${source}...${target}`];
  const { stdout, exitCode } = await git(args, {
    gitDir: repoPath,
    okExitCodes: [0, 128],
    ...process,
  });
  const counts = /^(\d+)\t(\d+)\n$/.exec(stdout.toString("latin1"));
  return exitCode !== 0 || counts === null
    ? null
    : { ahead: Number(counts[1]), behind: Number(counts[2]) };
}

/**
 * Counts the commits that each reference has and the base lacks, by reference name, in one walk.
 * Missing references are left out; the result is empty if the base is missing.
 */
export async function countAhead(
  repoPath: string,
  base: string,
  refs: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  [base, ...refs].forEach(assertRefName);
  if (refs.length === 0) return new Map();
  const format = `--format=%(ahead-behind:${base}) %(refname)`;
  const { exitCode, stdout } = await git(["for-each-ref", format, "--", ...refs], {
    gitDir: repoPath,
    okExitCodes: [0, 128],
  });
  if (exitCode !== 0) return new Map();
  const lines = stdout.toString("latin1").split("\n").filter(Boolean);
  return new Map(
    lines.map((line) => {
      const [ahead = "", , ref = ""] = line.split(" ");
      return [ref, Number(ahead)];
    }),
  );
}

/**
 * Lists the commits of the upstream that no branch or tag of the repository reaches, parents before
 * children.
 */
export async function incomingCommits(repoPath: string): Promise<string[]> {
  const args = ["rev-list", "--topo-order", "--reverse", "--glob=refs/upstream/"];
  const { stdout } = await git([...args, "--not", "--branches", "--tags"], { gitDir: repoPath });
  return stdout.toString("latin1").split("\n").filter(Boolean);
}
