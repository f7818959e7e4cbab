/** Orders commits for the graph. */

interface Timed {
  sha: string;
  parents: readonly string[];
  /** A timestamp that sorts as text. */
  at: string;
}

/** Sorts commits with children before parents, and otherwise newest first. */
export function sortNewestFirst<Commit extends Timed>(commits: readonly Commit[]): Commit[] {
  const bySha = new Map(commits.map((commit) => [commit.sha, commit]));
  const children = new Map<string, number>();
  for (const { parents } of commits) {
    for (const parent of parents) children.set(parent, (children.get(parent) ?? 0) + 1);
  }
  const place = new Map(commits.map(({ sha }, index) => [sha, index]));
  /** Commits whose children are all placed; the last one is next. */
  const ready: Commit[] = [];
  const isBefore = (a: Commit, b: Commit): boolean =>
    a.at === b.at ? (place.get(a.sha) ?? 0) < (place.get(b.sha) ?? 0) : a.at > b.at;
  const add = (commit: Commit): void => {
    let [from, to] = [0, ready.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      const other = ready[middle];
      if (other && isBefore(other, commit)) to = middle;
      else from = middle + 1;
    }
    ready.splice(from, 0, commit);
  };
  for (const commit of commits) if (!children.has(commit.sha)) add(commit);
  const ordered: Commit[] = [];
  for (let next = ready.pop(); next; next = ready.pop()) {
    ordered.push(next);
    for (const sha of next.parents) {
      const left = (children.get(sha) ?? 0) - 1;
      children.set(sha, left);
      const parent = bySha.get(sha);
      if (left === 0 && parent) add(parent);
    }
  }
  return ordered;
}

/** Assigns each commit to the first branch that reaches it by first parents. */
export function assignBranches(
  commits: readonly Pick<Timed, "sha" | "parents">[],
  branches: readonly { name: string; commit_sha: string }[],
): Map<string, string> {
  const firstParent = new Map(commits.map(({ sha, parents }) => [sha, parents[0]]));
  const branchOf = new Map<string, string>();
  for (const { name, commit_sha } of branches) {
    for (
      let sha: string | undefined = commit_sha;
      sha !== undefined && firstParent.has(sha) && !branchOf.has(sha);
      sha = firstParent.get(sha)
    ) {
      branchOf.set(sha, name);
    }
  }
  return branchOf;
}
