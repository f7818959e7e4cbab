import type { MergeStrategy } from "#shared/api/workspaces.js";

/** What each strategy does with a conflict, in the words of a choice. */
const strategyLabels: Record<MergeStrategy, string> = {
  newest_file_wins: "newest_file_wins: the side changed last wins the file",
  source_wins: "source_wins: the workspace wins",
  target_wins: "target_wins: the branch merged into wins",
  manual: "manual: each conflict is decided by hand, by a call of the API",
};

export const strategyOptions = Object.entries(strategyLabels).map(([value, label]) => ({
  value,
  label,
}));
