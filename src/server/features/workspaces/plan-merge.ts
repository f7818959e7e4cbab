import type { MergeStrategy } from "#shared/api/workspaces.js";
import { invalidField } from "../../errors.js";
import {
  applyDecisions,
  computeMerge,
  touchingCommits,
  UnrelatedHistoriesError,
  type ComputedMerge,
} from "../../git/merge.js";
import { decide, latest, type Resolution, type SideTime } from "./decide.js";
import { importedAt, receivedTimes } from "./received-repository.js";
import { placesOf, type ActiveWorkspace, type WorkspaceDeps } from "./workspace.js";

/** A merge as it would be: its tree and what was decided for each conflict. Nothing has moved yet. */
export interface MergePlan {
  upToDate: boolean;
  tree: string;
  resolutions: Resolution[];
  /** The references that keep what lost reachable, and what each points to. */
  keep: { ref: string; sha: string }[];
}

export interface MergeInput {
  /** Names the references that keep the losing sides; null in a preview, which keeps nothing. */
  mergeId: string | null;
  source: string;
  target: string;
  /** A source commit that the server has just made for unsaved work and has not recorded. */
  unsaved: boolean;
  strategy: MergeStrategy;
  branches: { source: string; target: string };
}

/**
 * Computes a merge without moving anything: git's three-way merge, then one decision for each group
 * of conflicting paths. The same input gives the same tree.
 */
export async function planMerge(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  input: MergeInput,
): Promise<MergePlan> {
  const { store } = placesOf(deps, workspace);
  const computed = await computeRelated(store, input);
  if (computed.upToDate || computed.conflicts.length === 0) {
    return { upToDate: computed.upToDate, tree: computed.tree, resolutions: [], keep: [] };
  }
  const times = await timesOf(deps, workspace, store, computed, input);
  const decisions = computed.conflicts.map((_conflict, index) =>
    decide(
      input.strategy,
      { source: times.source[index] ?? null, target: times.target[index] ?? null },
      input.branches,
    ),
  );
  const applied = await applyDecisions(store, computed, decisions, input.branches);
  const resolutions = computed.conflicts.map((conflict, index): Resolution => {
    const decision = decisions[index] as (typeof decisions)[number];
    const loser = decision.take === "source" ? "target" : "source";
    const kept = applied.losers[index] === "kept" && input.mergeId !== null;
    return {
      paths: conflict.paths,
      kind: conflict.kind,
      winner: decision.take,
      rule: decision.rule,
      source_time: times.source[index]?.at ?? null,
      target_time: times.target[index]?.at ?? null,
      loser_ref: kept ? keepRef(input.mergeId as string, loser) : null,
    };
  });
  const keep = (["source", "target"] as const).flatMap((side) => {
    const ref = input.mergeId === null ? null : keepRef(input.mergeId, side);
    return ref !== null && resolutions.some(({ loser_ref }) => loser_ref === ref)
      ? [{ ref, sha: input[side] }]
      : [];
  });
  return { upToDate: false, tree: applied.tree, resolutions, keep };
}

async function computeRelated(store: string, input: MergeInput): Promise<ComputedMerge> {
  try {
    return await computeMerge(store, input.target, input.source);
  } catch (error) {
    if (!(error instanceof UnrelatedHistoriesError)) throw error;
    throw invalidField(
      "target_branch",
      `shares no history with ${input.branches.source}; merge into a branch it came from`,
    );
  }
}

function keepRef(mergeId: string, side: "source" | "target"): string {
  return `refs/keep/${mergeId}/${side}`;
}

type GroupTimes = (SideTime | null)[];

/** When each side last changed each group, by the server's receipts. */
async function timesOf(
  deps: WorkspaceDeps,
  workspace: ActiveWorkspace,
  store: string,
  computed: ComputedMerge,
  input: MergeInput,
): Promise<{ source: GroupTimes; target: GroupTimes }> {
  const groups = computed.conflicts.map(({ paths }) => paths);
  const [source, target] = await Promise.all([
    touchingCommits(store, input.source, input.target, groups),
    touchingCommits(store, input.target, input.source, groups),
  ]);
  return deps.db.tenant(workspace.org_id, async (tx) => {
    const shas = [...new Set([...source.flat(), ...target.flat()])];
    const received = await receivedTimes(tx, workspace.project_id, shas);
    const imported: SideTime = {
      at: await importedAt(tx, workspace.project_id),
      sequence: 0,
    };
    const now: SideTime = { at: new Date().toISOString(), sequence: Number.MAX_SAFE_INTEGER };
    const timeOf = (sha: string): SideTime =>
      received.get(sha) ?? (input.unsaved && sha === input.source ? now : imported);
    const newest = (commits: string[]): SideTime | null => latest(commits.map(timeOf));
    return { source: source.map(newest), target: target.map(newest) };
  });
}

/** Whether a transaction's organization has a branch that merges may go into; agents' own may not. */
export function isMergeTarget(branch: string): boolean {
  return !branch.startsWith("workspace-");
}
