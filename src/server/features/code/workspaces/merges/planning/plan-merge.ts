import type { Choice, MergeStrategy } from "#shared/api/code/merges.js";
import type { Database } from "../../../../../db/connection/connect.js";
import { AppError, invalidField } from "../../../../../errors.js";
import {
  applyDecisions,
  computeDisjointMerge,
  computeMerge,
  commitsTouching,
  resolveRegenerated,
  TreeClashError,
  UnrelatedHistoriesError,
  DataMerges,
  type AppliedDrivers,
  type ComputedMerge,
  type DataProcesses,
  type Decision,
  type DriverFile,
} from "#git/merge/merge.js";
import type { ProcessOptions } from "#git/process/run.js";
import { resolveTree } from "#git/store/repository.js";
import { assertTreesWithin, TreeLimitError } from "#git/objects/tree-limits.js";
import type { Storage } from "../../../../../data-folder/storage.js";
import {
  resolveByStrategy,
  latest,
  type Resolution,
  type SideTime,
} from "./resolve-by-strategy.js";
import { answerUnavailable, withDataMerges } from "./data-merges.js";
import { findRegenerated, type RegenerationRules } from "./regenerate-files.js";
import { resolveManually, invalidChoice, type OpenConflicts } from "./resolve-manually.js";
import { receivedTimes } from "../../commits/received-commits.queries.js";

/** Dependencies of a merge computation. */
export interface PlanDeps {
  storage: Storage;
  db: Pick<Database, "tenant">;
  dataProcesses: DataProcesses;
}

/** A computed merge: its tree and the resolution of each conflict. No ref has moved. */
export interface MergePlan {
  upToDate: boolean;
  tree: string;
  resolutions: Resolution[];
  /** Manual decisions to be recorded; null when a strategy decided. */
  decisions: Decision[] | null;
  /** The merge drivers, to be recorded, and the files that they applied to. */
  drivers: AppliedDrivers | null;
  driverFiles: DriverFile[];
  /** Refs that keep the losing versions reachable, with their commits. */
  keep: { ref: string; sha: string }[];
}

export interface MergeInput {
  org_id: string;
  project_id: string;
  /** Names the refs of losing versions; null in a preview, which keeps none. */
  mergeId: string | null;
  source: string;
  target: string;
  /** The merge base to use; null lets git find it. */
  base: string | null;
  /** The merge drivers; null for merges recorded without them. */
  drivers: AppliedDrivers | null;
  /** Whether the workspace's side is a temporary commit of uncommitted changes. */
  unsaved: boolean;
  /** Commits of the target that have not landed yet: they will be received before this merge. */
  ahead?: ReadonlySet<string>;
  /** By default those of a preview. */
  regeneration?: RegenerationRules;
  strategy: MergeStrategy;
  /** Input of the strategy `manual`: a request's choices or recorded decisions. */
  choices: readonly Choice[] | { recorded: Decision[] };
  /** The workspace's side, which wins ties. */
  workspace: "source" | "target";
  /** Names of the sides, for rules and for keeping both versions under one path. */
  branches: { source: string; target: string };
}

/**
 * Computes a merge whose conflicts must all be resolved.
 * @throws AppError 409 `merge_conflict` for conflicts that the strategy `manual` leaves open; 422 for a
 * choice or branch
 */
export async function planDecidedMerge(deps: PlanDeps, input: MergeInput): Promise<MergePlan> {
  const plan = await planMerge(deps, input);
  if (!("open" in plan)) return plan;
  const { open } = plan;
  const reasons = open.flatMap(({ paths, reason }) =>
    reason === undefined ? [] : [` ${paths[0]}: ${reason}`],
  );
  throw new AppError(
    "merge_conflict",
    `${open.length === 1 ? "One conflict is" : `${open.length} conflicts are`} unresolved; list each one in resolutions.${reasons.join("")}`,
    {
      conflicts: open.map(({ paths, kind }) => ({ paths, kind })),
      source_commit: input.source,
      target_commit: input.target,
    },
  );
}

/**
 * Computes a merge without moving a ref: git's three-way merge, then one decision per group of
 * conflicting paths. The result is deterministic. The strategy `manual` may leave conflicts open; files
 * are regenerated only when none is.
 * @throws AppError 422 for a choice or branch; 503
 * @throws RegenerationRequired, DataBusyError
 */
export async function planMerge(
  deps: PlanDeps,
  input: MergeInput,
): Promise<MergePlan | OpenConflicts> {
  const repoPath = deps.storage.repository(input.org_id, input.project_id);
  const computed = await computeRelated(deps, repoPath, input);
  // A file that is resolved by hand is not regenerated.
  const choices = "recorded" in input.choices ? [] : input.choices;
  const files = computed.toRegenerate.filter(
    ({ conflict }) => !choices.some(({ path }) => conflict.paths.includes(path)),
  );
  if (computed.toRegenerate.length === 0) return planComputed(deps, input, computed);
  const pending = files.map(({ name }) => ({ path: name, run_id: null, pending: true as const }));
  const before = await resolveRegenerated(repoPath, computed, pending);
  if (files.length === 0) return planComputed(deps, input, before);
  const plan = await planComputed(deps, { ...input, mergeId: null }, before);
  if ("open" in plan) return plan;
  const results = await findRegenerated(deps, input, plan.tree, files);
  return planComputed(deps, input, await resolveRegenerated(repoPath, computed, results));
}

/**
 * Same as `planMerge` for two sides that changed different files, so that no receive time has a say; null
 * for others, and for a merge that changes nothing.
 */
export async function planDisjointMerge(
  deps: PlanDeps,
  input: MergeInput,
): Promise<MergePlan | null> {
  if (input.strategy === "manual") return null;
  const { org_id, project_id, target, source, drivers } = input;
  const repoPath = deps.storage.repository(org_id, project_id);
  const computed = await computeDisjointMerge(repoPath, target, source, drivers);
  const plan = computed && (await planComputed(deps, input, computed));
  return plan === null || "open" in plan || plan.upToDate ? null : plan;
}

async function planComputed(
  deps: PlanDeps,
  input: MergeInput,
  computed: ComputedMerge,
): Promise<MergePlan | OpenConflicts> {
  const repoPath = deps.storage.repository(input.org_id, input.project_id);
  const { strategy, branches } = input;
  const isManual = strategy === "manual";
  const { drivers, driverFiles } = computed;
  if (computed.upToDate || (computed.conflicts.length === 0 && !isManual)) {
    await requireTreeSize(repoPath, computed.tree);
    const upToDate = computed.upToDate || (await changesNothing(repoPath, input, computed.tree));
    const { tree } = computed;
    return { upToDate, tree, resolutions: [], decisions: null, drivers, driverFiles, keep: [] };
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
  await requireTreeSize(repoPath, applied.tree);
  const resolutions = computed.conflicts.map((conflict, index): Resolution => {
    const { take, rule } = decisions[index] as (typeof decisions)[number];
    const loser = take === "source" ? "target" : "source";
    const isKept = take !== "content" && applied.losers[index] === "kept";
    return {
      paths: conflict.paths,
      kind: conflict.kind,
      winner: take === "content" ? "merged" : take,
      rule: conflict.reason === undefined ? rule : `${conflict.reason} ${rule}`,
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
  const { tree } = applied;
  return { upToDate, tree, resolutions, decisions: byHand, drivers, driverFiles, keep };
}

/** A predicted conflict and its winner. */
export type PredictedConflict = Pick<
  Resolution,
  "paths" | "kind" | "source_time" | "target_time"
> & {
  winner: "source" | "target";
};

/**
 * Predicts the conflicts of two commits by `newest_file_wins`, without merging them.
 * @param scratch a repository that borrows the store's objects and receives the computed ones
 * @throws UnrelatedHistoriesError, GitError
 */
export async function predictConflicts(
  deps: PlanDeps,
  scratch: string,
  merge: Pick<MergeInput, "org_id" | "project_id" | "source" | "target" | "drivers">,
  process: ProcessOptions,
): Promise<PredictedConflict[]> {
  const { target, source, drivers } = merge;
  const data = new DataMerges(deps.dataProcesses, merge.org_id, process);
  const computed = await computeMerge(scratch, target, source, null, drivers, {
    ...process,
    data,
  });
  if (computed.conflicts.length === 0) return [];
  const input = { ...merge, base: null, unsaved: false, workspace: "source" } as const;
  const times = await timesOf(deps, scratch, computed, input, process);
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
async function requireTreeSize(repoPath: string, tree: string): Promise<void> {
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

async function computeRelated(
  deps: PlanDeps,
  repoPath: string,
  input: MergeInput,
): Promise<ComputedMerge> {
  const { target, source, base, drivers } = input;
  const { data } = withDataMerges(deps, input.org_id, input.regeneration);
  try {
    return await answerUnavailable(() =>
      computeMerge(repoPath, target, source, base, drivers, { data }),
    );
  } catch (error) {
    if (!(error instanceof UnrelatedHistoriesError)) throw error;
    throw invalidField(
      "target_branch",
      `shares no history with ${input.branches.source}; choose a branch it was created from`,
    );
  }
}

/** Whether undoing would not change the target. */
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
    ? "manual: the given content is used."
    : `manual: the version of ${branches[decision.take]} was chosen.`;
}

/**
 * Applies the decisions. Content that does not fit its path is rejected with its place in the request.
 */
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

/** Returns when each side last changed each group, by receive time; undefined for an undo. */
async function timesOf(
  deps: PlanDeps,
  repoPath: string,
  computed: ComputedMerge,
  input: Omit<MergeInput, "mergeId" | "strategy" | "choices" | "branches">,
  process: ProcessOptions = {},
): Promise<{ source: GroupTimes; target: GroupTimes }> {
  if (input.base !== null) return { source: [], target: [] };
  const groups = computed.conflicts.map(({ paths }) => paths);
  const { source, target } = await commitsTouching(repoPath, input, groups, process);
  return deps.db.tenant(input.org_id, async (tx) => {
    const shas = [...new Set([...source.flat(), ...target.flat()])];
    const { received, importedAt } = await receivedTimes(tx, input.project_id, shas);
    const imported: SideTime = { at: importedAt, sequence: 0 };
    const now: SideTime = { at: new Date().toISOString(), sequence: Number.MAX_SAFE_INTEGER };
    const timeOf = (sha: string): SideTime =>
      received.get(sha) ?? (isToBeReceived(sha, input) ? now : imported);
    const newest = (commits: string[]): SideTime | null => latest(commits.map(timeOf));
    return { source: source.map(newest), target: target.map(newest) };
  });
}

/** Whether a commit of a plan is received only when the plan is carried out. */
function isToBeReceived(
  sha: string,
  input: Pick<MergeInput, "ahead" | "unsaved" | "workspace" | "source" | "target">,
): boolean {
  return (input.unsaved && sha === input[input.workspace]) || (input.ahead?.has(sha) ?? false);
}

/** Whether merges may target the branch; agents' branches cannot be targets. */
export function isMergeTarget(branch: string): boolean {
  return !branch.startsWith("workspace-");
}
