/** How a merge decides what conflicts. */
export const mergeStrategies = [
  "newest_file_wins",
  "source_wins",
  "target_wins",
  "manual",
] as const;

/** What commits can be made as. */
export const commitTypes = ["checkpoint", "validation", "manual", "final"] as const;

/** What commits can be: those made on request, and that of a sync. */
export const recordedCommitTypes = [...commitTypes, "merge"] as const;
