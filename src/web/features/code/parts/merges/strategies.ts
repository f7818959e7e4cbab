import type { MergeStrategy } from "#shared/api/code/merges.js";
import type { Operation } from "../../../../api/operations.js";

/** Descriptions of the strategies as options. */
const labels: Record<MergeStrategy, string> = {
  newest_file_wins: "newest_file_wins: the side changed last wins the file",
  source_wins: "source_wins: the workspace wins",
  target_wins: "target_wins: the branch merged into wins",
  manual: "manual: each conflict is decided by hand",
};

const optionsOf = (texts: Partial<typeof labels>) =>
  Object.entries(texts).map(([value, label]) => ({ value, label }));

/** Options of a workspace's setting. */
export const strategyOptions = optionsOf(labels);

const undoOptions = optionsOf({
  manual: "manual: each conflict is decided by hand",
  source_wins: "source_wins: what is brought back wins",
  target_wins: "target_wins: the branch as it is now wins",
});

/** Options of an operation, with the names of its sides. */
export const strategyOptionsOf: Record<Operation["act"], typeof strategyOptions> = {
  merge: strategyOptions,
  sync: optionsOf({
    ...labels,
    source_wins: "source_wins: the base branch wins",
    target_wins: "target_wins: the workspace wins",
  }),
  revert: undoOptions,
  restore: undoOptions,
};
