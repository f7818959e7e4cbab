/** Strategies for resolving merge conflicts. */
export const mergeStrategies = [
  "newest_file_wins",
  "source_wins",
  "target_wins",
  "manual",
] as const;

/** Types of commits on request. */
export const commitTypes = ["checkpoint", "validation", "manual", "final"] as const;

/** All types of commits: on request, and by a sync. */
export const recordedCommitTypes = [...commitTypes, "merge"] as const;
