/** A commit with its parents, in a history of several branches. */
import { assertOid } from "../objects/oid.js";
import { git } from "../process/run.js";

export interface HistoryCommit {
  sha: string;
  parents: string[];
  authorName: string;
  /** The committer date. */
  date: Date;
  subject: string;
}

const lastSecond = Date.UTC(9999, 11, 31) / 1000;

/** Converts git's seconds since 1970 to a date, clamped to the range of `Date`. */
export function commitDate(seconds: string): Date {
  return new Date(Math.min(Math.max(Number(seconds) || 0, 0), lastSecond) * 1000);
}

const FORMAT = "--format=tformat:%H%x00%P%x00%an%x00%ct%x00%s";

/**
 * Returns the commits reachable from any of `tips` and from none of `exclude` (full ids), children
 * before parents, at most `limit`.
 */
export async function readHistory(
  repoPath: string,
  tips: readonly string[],
  limit: number,
  exclude: readonly string[] = [],
): Promise<HistoryCommit[]> {
  for (const sha of [...tips, ...exclude]) assertOid(sha);
  if (tips.length === 0) return [];
  const args = ["log", "-z", "--date-order", `--max-count=${limit}`, FORMAT, "--stdin"];
  const input = [...tips, ...exclude.map((sha) => `^${sha}`), ""].join("\n");
  const { stdout } = await git(args, { gitDir: repoPath, input });
  const fields = stdout.toString("utf8").split("\0");
  const commits: HistoryCommit[] = [];
  for (let at = 0; at + 4 < fields.length; at += 5) {
    const [sha = "", parents = "", authorName = "", seconds = "", subject = ""] = fields.slice(
      at,
      at + 5,
    );
    commits.push({
      sha,
      parents: parents.split(" ").filter(Boolean),
      authorName: authorName.slice(0, 255),
      date: commitDate(seconds),
      subject: subject.slice(0, 500),
    });
  }
  return commits;
}
