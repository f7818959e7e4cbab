import { git } from "./run.js";

/** A branch and the commit at its end. */
export interface Branch {
  name: string;
  sha: string;
  /** When its committer says it was made. */
  date: Date;
  /** The first line of the message. */
  subject: string;
}

const FORMAT = "%(objectname)%00%(refname)%00%(committerdate:unix)%00%(contents:subject)";

/** The branches of a store by name (byte by byte); none where it is empty. */
export async function listBranches(store: string): Promise<Branch[]> {
  const { stdout } = await git(["for-each-ref", `--format=${FORMAT}`, "refs/heads/"], {
    gitDir: store,
  });
  const lines = stdout.toString("utf8").split("\n").filter(Boolean);
  return lines.map((line) => {
    const [sha = "", ref = "", seconds = "", subject = ""] = line.split("\0");
    return {
      name: ref.slice("refs/heads/".length),
      sha,
      date: new Date(Number(seconds) * 1000),
      subject: subject.slice(0, 500),
    };
  });
}
