import type { Choice, MergeStrategy } from "#shared/api/merges.js";
import type { Database } from "../../../db/connection/connect.js";
import { AppError, invalidField } from "../../../errors.js";
import {
  applyDecisions,
  computeMerge,
  commitsTouching,
  TreeClashError,
  UnrelatedHistoriesError,
  type ComputedMerge,
  type Decision,
} from "#git/merge/merge.js";
import { resolveTree } from "#git/store/repository.js";
import { assertTreesWithin, TreeLimitError } from "#git/objects/tree-limits.js";
import type { Storage } from "../../../data-folder/storage.js";
import {
  resolveByStrategy,
  latest,
  type Resolution,
  type SideTime,
} from "./resolve-by-strategy.js";
import { resolveManually, invalidChoice, type OpenConflicts } from "./resolve-manually.js";
import { importedAt, receivedTimes } from "../commits/received-commits.queries.js";

/** What a merge is computed with. */
export interface PlanDeps {
  storage: Storage;
  db: Pick<Database, "tenant">;
}

/** A merge as it would be: its tree and what was decided for each conflict. Nothing has moved yet. */
export interface MergePlan {
  upToDate: boolean;
  tree: string;
  resolutions: Resolution[];
  /** What was decided by hand, to be recorded; null where a rule decides. */
  decisions: Decision[] | null;
  /** The references that keep what lost reachable, and what each points to. */
  keep: { ref: string; sha: string }[];
}

export interface MergeInput {
  org_id: string;
  project_id: string;
  /** Names the references that keep the losing sides; null in a preview, which keeps nothing. */
  mergeId: string | null;
  source: string;
  target: string;
  /** The commit to take for the one where the two parted; null leaves that to git. */
  base: string | null;
  /** Whether the workspace's side is a commit made just now for unsaved work, which is not recorded. */
  unsaved: boolean;
  strategy: MergeStrategy;
  /** What the strategy `manual` goes by: choices of a request, or decisions as they were recorded. */
  choices: readonly Choice[] | { recorded: Decision[] };
  /** Which side is the workspace's: it wins where nothing else decides. */
  workspace: "source" | "target";
  /** What the sides are called, in rules and where both have to be kept under one name. */
  branches: { source: string; target: string };
}

/**
 * Plans a merge whose conflicts are all decided.
 * @throws AppError 409 `merge_conflict` for conflicts that the strategy `manual` leaves open; 422 for a
 * choice or branch
 */
export async function planDecidedMerge(deps: PlanDeps, input: MergeInput): Promise<MergePlan> {
  const plan = await planMerge(deps, input);
  if (!("open" in plan)) return plan;
  const { open } = plan;
  throw new AppError(
    "merge_conflict",
    `${open.length === 1 ? "One conflict is" : `${open.length} conflicts are`} not decided; name each in resolutions.`,
    { conflicts: open, source_commit: input.source, target_commit: input.target },
  );
}

/**
 * Computes a merge without moving a reference: git's three-way merge, then one decision for each group
 * of conflicting paths. The same input gives the same tree. The strategy `manual` may leave conflicts open.
 * @throws AppError 422 for a choice or branch
 */
export async function planMerge(
  deps: PlanDeps,
  input: MergeInput,
): Promise<MergePlan | OpenConflicts> {
  const repoPath = deps.storage.repository(input.org_id, input.project_id);
  const computed = await computeRelated(repoPath, input);
  const { strategy, branches } = input;
  const isManual = strategy === "manual";
  if (computed.upToDate || (computed.conflicts.length === 0 && !isManual)) {
    await refuseTooLarge(repoPath, computed.tree);
    const upToDate = computed.upToDate || (await changesNothing(repoPath, input, computed.tree));
    return { upToDate, tree: computed.tree, resolutions: [], decisions: null, keep: [] };
  }
  const times = await timesOf(deps, repoPath, computed, input);
  const byHand = isManual ? await manualDecisions(repoPath, computed, input.choices) : null;
  if (byHand && "open" in byHand) return byHand;
  const decisions = computed.conflicts.map((_conflict, index) => {
    const sides = { source: times.source[index] ?? null, target: times.target[index] ?? null };
    return isManual
      ? { ...(byHand?.[index] as Decision), rule: manualRule(byHand?.[index], branches) }
      : resolveByStrategy(strategy, sides, branches, input.workspace);
  });
  const applied = await applyChecked(repoPath, computed, decisions, input);
  await refuseTooLarge(repoPath, applied.tree);
  const resolutions = computed.conflicts.map((conflict, index): Resolution => {
    const { take, rule } = decisions[index] as (typeof decisions)[number];
    const loser = take === "source" ? "target" : "source";
    const isKept = take !== "content" && applied.losers[index] === "kept";
    return {
      paths: conflict.paths,
      kind: conflict.kind,
      winner: take === "content" ? "merged" : take,
      rule,
      source_time: times.source[index]?.at ?? null,
      target_time: times.target[index]?.at ?? null,
      loser_ref: isKept && input.mergeId !== null ? keepRef(input.mergeId, loser) : null,
    };
  });
  const keep = (["source", "target"] as const).flatMap((side) => {
    const ref = input.mergeId === null ? null : keepRef(input.mergeId, side);
    return ref !== null && resolutions.some(({ loser_ref }) => loser_ref === ref)
      ? [{ ref, sha: input[side] }]
      : [];
  });
  const upToDate = await changesNothing(repoPath, input, applied.tree);
  return { upToDate, tree: applied.tree, resolutions, decisions: byHand, keep };
}

/** A conflict that a merge would have, and who would win it. */
export type Foreseen = Pick<Resolution, "paths" | "kind" | "source_time" | "target_time"> & {
  winner: "source" | "target";
};

/**
 * What a merge of two commits would conflict in, by `newest_file_wins`, without making it.
 * @param scratch a repository that reads the store's objects: what is computed is written there
 * @throws UnrelatedHistoriesError, GitError
 */
export async function foreseeConflicts(
  deps: PlanDeps,
  scratch: string,
  merge: Pick<MergeInput, "org_id" | "project_id" | "source" | "target">,
  signal: AbortSignal,
): Promise<Foreseen[]> {
  const computed = await computeMerge(scratch, merge.target, merge.source, null, signal);
  if (computed.conflicts.length === 0) return [];
  const input = { ...merge, base: null, unsaved: false, workspace: "source" } as const;
  const times = await timesOf(deps, scratch, computed, input);
  return computed.conflicts.map(({ paths, kind }, index) => {
    const sides = { source: times.source[index] ?? null, target: times.target[index] ?? null };
    const { take } = resolveByStrategy("newest_file_wins", sides, {
      source: "source",
      target: "target",
    });
    return {
      paths,
      kind,
      winner: take,
      source_time: sides.source?.at ?? null,
      target_time: sides.target?.at ?? null,
    };
  });
}

/** @throws AppError 422 `tree_too_large` */
async function refuseTooLarge(repoPath: string, tree: string): Promise<void> {
  try {
    await assertTreesWithin(repoPath, [tree]);
  } catch (error) {
    if (!(error instanceof TreeLimitError)) throw error;
    throw new AppError(
      "tree_too_large",
      `The merge was not made: ${error.message}. Remove files from one of the branches first.`,
    );
  }
}

async function computeRelated(repoPath: string, input: MergeInput): Promise<ComputedMerge> {
  try {
    return await computeMerge(repoPath, input.target, input.source, input.base);
  } catch (error) {
    if (!(error instanceof UnrelatedHistoriesError)) throw error;
    throw invalidField(
      "target_branch",
      `shares no history with ${input.branches.source}; merge into a branch it came from`,
    );
  }
}

/** Whether there is nothing to undo: the target is as it would be after. */
async function changesNothing(repoPath: string, input: MergeInput, tree: string): Promise<boolean> {
  return input.base !== null && tree === (await resolveTree(repoPath, input.target));
}

function manualDecisions(
  repoPath: string,
  computed: ComputedMerge,
  choices: MergeInput["choices"],
): Promise<Decision[] | OpenConflicts> | Decision[] {
  return "recorded" in choices ? choices.recorded : resolveManually(repoPath, computed, choices);
}

function manualRule(decision: Decision | undefined, branches: MergeInput["branches"]): string {
  return decision === undefined || decision.take === "content"
    ? "manual: the content that was given is taken."
    : `manual: the version of ${branches[decision.take]} was chosen.`;
}

/** Applies the decisions; content that was given where it cannot be is refused with its place. */
async function applyChecked(
  repoPath: string,
  computed: ComputedMerge,
  decisions: readonly Decision[],
  { choices, branches }: MergeInput,
) {
  try {
    return await applyDecisions(repoPath, computed, decisions, branches);
  } catch (error) {
    if (!(error instanceof TreeClashError) || "recorded" in choices) throw error;
    const at = choices.findIndex(
      ({ path, content }) =>
        content !== undefined &&
        (`${path}/`.startsWith(`${error.path}/`) || error.path.startsWith(`${path}/`)),
    );
    if (at === -1) throw error;
    throw invalidChoice(at, "is taken by other files; give the content for another of its paths");
  }
}

export function keepRef(mergeId: string, side: "source" | "target"): string {
  return `refs/keep/${mergeId}/${side}`;
}

type GroupTimes = (SideTime | null)[];

/** When each side last changed each group, by the server's receipts; of an undoing it says nothing. */
async function timesOf(
  deps: PlanDeps,
  repoPath: string,
  computed: ComputedMerge,
  input: Omit<MergeInput, "mergeId" | "strategy" | "choices" | "branches">,
): Promise<{ source: GroupTimes; target: GroupTimes }> {
  if (input.base !== null) return { source: [], target: [] };
  const groups = computed.conflicts.map(({ paths }) => paths);
  const { source, target } = await commitsTouching(repoPath, input, groups);
  return deps.db.tenant(input.org_id, async (tx) => {
    const shas = [...new Set([...source.flat(), ...target.flat()])];
    const received = await receivedTimes(tx, input.project_id, shas);
    const imported: SideTime = {
      at: await importedAt(tx, input.project_id),
      sequence: 0,
    };
    const now: SideTime = { at: new Date().toISOString(), sequence: Number.MAX_SAFE_INTEGER };
    const timeOf = (sha: string): SideTime =>
      received.get(sha) ?? (input.unsaved && sha === input[input.workspace] ? now : imported);
    const newest = (commits: string[]): SideTime | null => latest(commits.map(timeOf));
    return { source: source.map(newest), target: target.map(newest) };
  });
}

/** Whether a transaction's organization has a branch that merges may go into; agents' own may not. */
export function isMergeTarget(branch: string): boolean {
  return !branch.startsWith("workspace-");
}
