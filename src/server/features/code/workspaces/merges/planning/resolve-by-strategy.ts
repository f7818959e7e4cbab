import type { Merge, MergeStrategy } from "#shared/api/code/merges.js";

/** When a side last changed a group of paths: the receive time of its newest commit. */
export interface SideTime {
  at: string;
  /** The order of receipt, which breaks ties. */
  sequence: number;
}

export interface Decision {
  take: "source" | "target";
  /** The reason in one sentence. */
  rule: string;
}

type Sides = { source: SideTime | null; target: SideTime | null };

/**
 * Resolves a conflict by the strategy's side or by the later receive time; ties go to the higher
 * sequence, then to the workspace. See docs/explanation/merging.md.
 * @param workspace the workspace's side
 */
export function resolveByStrategy(
  strategy: Exclude<MergeStrategy, "manual">,
  times: Sides,
  branches: { source: string; target: string },
  workspace: "source" | "target" = "source",
): Decision {
  if (strategy !== "newest_file_wins") {
    const take = strategy === "source_wins" ? "source" : "target";
    return { take, rule: `${strategy}: the version of ${branches[take]} is used.` };
  }
  const { source, target } = times;
  if (!source || !target) {
    // A side without a commit on these paths changed them only by renaming a folder.
    const take = source ? "source" : target ? "target" : workspace;
    return {
      take,
      rule: `newest_file_wins: only ${branches[take]} changed this since the merge base.`,
    };
  }
  const take = later(source, target, workspace);
  const loser = take === "source" ? "target" : "source";
  const tie = source.at === target.at;
  return {
    take,
    rule: tie
      ? `newest_file_wins: received in the same millisecond; ${branches[take]} came ${
          source.sequence === target.sequence ? "from the workspace" : "later in order"
        }.`
      : `newest_file_wins: ${branches[take]} changed this last, received after the change of ${branches[loser]}.`,
  };
}

function later(source: SideTime, target: SideTime, workspace: Decision["take"]): Decision["take"] {
  if (source.at !== target.at) return source.at > target.at ? "source" : "target";
  if (source.sequence === target.sequence) return workspace;
  return source.sequence > target.sequence ? "source" : "target";
}

/** Returns the newest of the times; null if there is none. */
export function latest(times: readonly SideTime[]): SideTime | null {
  return times.reduce<SideTime | null>(
    (newest, time) =>
      newest === null ||
      time.at > newest.at ||
      (time.at === newest.at && time.sequence > newest.sequence)
        ? time
        : newest,
    null,
  );
}

export type Resolution = Merge["resolutions"][number];
