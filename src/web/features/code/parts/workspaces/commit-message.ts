interface CreatedCommit {
  created: boolean;
  commit_sha: string;
  skipped: readonly { path: string }[];
}

/** Returns the outcome of a commit as a sentence. */
export function commitMessage({ created, commit_sha, skipped }: CreatedCommit): string {
  if (!created) return "Nothing to commit: all of it is committed already";
  const leftOut =
    skipped.length === 0
      ? ""
      : `; ${skipped.length} left out, being neither files, folders nor links`;
  return `Committed ${commit_sha.slice(0, 12)}${leftOut}`;
}
