import { setTimeout as pause } from "node:timers/promises";
import { resolveCommit } from "#git/store/repository.js";
import { z } from "zod";
import { agentWork, type AgentWork } from "#shared/api/work/overview.js";
import { allows } from "../../../access/access.js";
import type { OtherNodes } from "../../../http/forwarding/other-nodes.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import type { Storage } from "../../../data-folder/storage.js";
import { countPredictedConflicts } from "../../code/radar/index.js";
import { listStoredLastLines } from "../../execution/log-objects/index.js";
import { lastLineOfLog, lastLineOfTranscript, readAgentRuns } from "../../execution/runs/index.js";
import { branchRef } from "../../code/workspaces/index.js";
import type { CommitPair, CompareCommits, Comparison } from "./compare-commits.js";
import { isFailure } from "./last-run.js";
import { listWork, type WorkRow } from "./work.queries.js";

export interface WorkDeps {
  storage: Storage;
  compareCommits: CompareCommits;
  otherNodes: OtherNodes;
}

/** Time that a request waits for comparisons; later ones are in the next answer. */
const COMPARE_MS = 1500;
/** Files that are read at once. */
const MAX_READS = 16;

/** Lists agents with their work, by id. An agent sees only itself. */
export async function listAgentWork(
  deps: WorkDeps,
  context: OrgContext,
  filter: Omit<Parameters<typeof listWork>[2], "agentId" | "seesTasks">,
  limit: number,
): Promise<AgentWork[]> {
  const { access, actor, orgId } = context;
  const seesWorkspaces = allows(access, "agent:workspace:read");
  const seesTasks = allows(access, "project:task:read");
  const { rows, conflicts, runs } = await context.tx(async (tx) => {
    const agentId = actor.agent?.id ?? null;
    const found = await listWork(tx, orgId, { ...filter, agentId, seesTasks }, limit);
    const ids = found.map(({ agent_id }) => agent_id);
    const queued = found.filter(({ current }) => current?.started_at === null);
    return {
      rows: found,
      runs: await readAgentRuns(
        tx,
        queued.map(({ agent_id }) => agent_id),
      ),
      conflicts: seesWorkspaces
        ? await countPredictedConflicts(tx, ids)
        : new Map<string, number>(),
    };
  });
  const elsewhere = await deps.otherNodes.homesOf(rows.map(({ project_id }) => project_id));
  const here = rows.filter(({ project_id }) => !elsewhere.has(project_id));
  const [comparisons, lines, others] = await Promise.all([
    seesWorkspaces ? compareWithBase(deps, orgId, here) : new Map<string, Comparison>(),
    readLines(deps.storage, context, here),
    readElsewhere(deps, context, elsewhere),
  ]);
  return rows.map((row) => {
    const other = others.get(row.agent_id);
    if (other) return other;
    const { head_commit: _head, has_branch, is_at_rest, ...shown } = row;
    const compared = comparisons.get(row.agent_id);
    const count = conflicts.get(row.agent_id) ?? 0;
    const isWaiting = row.waiting_session_id !== null;
    const position = runs.get(row.agent_id)?.queued_run?.queue_position ?? null;
    return {
      ...shown,
      current: row.current && { ...row.current, queue_position: position },
      ...(!seesWorkspaces && { branch_name: null }),
      ...(!(seesWorkspaces && has_branch) && { base_branch: null }),
      state: stateOf({ ...shown, is_at_rest, isWaiting, conflicts: count, compared }),
      unmerged_commits: compared?.commits ?? null,
      additions: compared?.additions ?? null,
      deletions: compared?.deletions ?? null,
      conflicts: count,
      last_line: lines.get(row.agent_id) ?? null,
    };
  });
}

/** Returns the work of agents whose branches and logs are on other nodes, by agent. */
async function readElsewhere(
  { otherNodes }: WorkDeps,
  context: OrgContext,
  homes: ReadonlyMap<string, string>,
): Promise<Map<string, AgentWork>> {
  const found = new Map<string, AgentWork>();
  for (const [home, answer] of await otherNodes.ask(context, homes.values())) {
    for (const work of z.array(agentWork).safeParse(answer).data ?? []) {
      if (homes.get(work.project_id) === home) found.set(work.agent_id, work);
    }
  }
  return found;
}

/** An agent's branch and the branch that it is based on. */
export type BranchRow = Pick<
  WorkRow,
  "agent_id" | "project_id" | "base_branch" | "head_commit" | "has_branch"
>;

interface StateInput extends Pick<WorkRow, "current" | "last_outcome" | "is_at_rest"> {
  isWaiting: boolean;
  conflicts: number;
  compared: Comparison | undefined;
}

/** A session between two turns has a run in progress, but nothing to do. */
function stateOf(input: StateInput): AgentWork["state"] {
  const { current, last_outcome: last, is_at_rest, isWaiting, conflicts, compared } = input;
  if (isWaiting) return "needs_you";
  if (current !== null && current.session_status !== "idle") return "working";
  if (current === null && is_at_rest && last !== null && isFailure(last.status)) return "needs_you";
  if (conflicts > 0) return "needs_you";
  return compared !== undefined && compared.commits > 0 ? "ready" : "idle";
}

/**
 * Compares the branches of agents with their base branches, by agent; unknown ones are left out.
 * @param ms time to wait for comparisons
 */
export async function compareWithBase(
  { storage, compareCommits }: WorkDeps,
  orgId: string,
  rows: readonly BranchRow[],
  ms = COMPARE_MS,
): Promise<Map<string, Comparison>> {
  const tips = new Map<string, Promise<string | null>>();
  const found = new Map<string, Comparison>();
  const compare = async (row: BranchRow): Promise<void> => {
    const { agent_id, project_id, base_branch, head_commit, has_branch } = row;
    if (!has_branch || base_branch === null || head_commit === null) return;
    const repoPath = storage.repository(orgId, project_id);
    const place = `${project_id} ${base_branch}`;
    const tip =
      tips.get(place) ?? resolveCommit(repoPath, branchRef(base_branch)).catch(() => null);
    tips.set(place, tip);
    const base = await tip;
    if (base === null) return;
    const compared = await compareCommits(orgId, {
      repoPath,
      base,
      head: head_commit,
      agentId: agent_id,
    });
    if (compared !== null) found.set(agent_id, compared);
  };
  await within(ms, Promise.all(rows.map(compare)));
  return new Map(found);
}

/** Compares pairs of commits in the same order; null for no pair and for those that take too long. */
export async function comparePairs(
  { compareCommits }: Pick<WorkDeps, "compareCommits">,
  orgId: string,
  pairs: readonly (CommitPair | null)[],
): Promise<(Comparison | null)[]> {
  const found: (Comparison | null)[] = pairs.map(() => null);
  const compare = async (pair: CommitPair | null, index: number): Promise<void> => {
    if (pair !== null) found[index] = await compareCommits(orgId, pair);
  };
  await within(COMPARE_MS, Promise.all(pairs.map(compare)));
  return [...found];
}

/** Waits for work, which goes on after the time. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const late = new AbortController();
  await Promise.race([work, pause(ms, undefined, { signal: late.signal }).catch(() => undefined)]);
  late.abort();
}

/** Reads the last lines of the current or last runs, by agent. */
async function readLines(
  storage: Storage,
  { orgId, tx }: Pick<OrgContext, "orgId" | "tx">,
  rows: readonly WorkRow[],
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const waiting = [...rows];
  const read = async (): Promise<void> => {
    for (let row = waiting.pop(); row !== undefined; row = waiting.pop()) {
      const line = await lineOf(storage, orgId, row);
      if (line !== null) found.set(row.agent_id, line);
    }
  };
  await Promise.all(Array.from({ length: MAX_READS }, read));
  // Logs in the object storage have their last line in the database.
  const ended = rows.flatMap(({ agent_id, current, last_outcome }) =>
    found.has(agent_id) || current?.started_at != null || last_outcome === null
      ? []
      : [{ agent_id, run_id: last_outcome.run_id }],
  );
  if (ended.length === 0) return found;
  const stored = await tx((db) =>
    listStoredLastLines(
      db,
      ended.map(({ run_id }) => run_id),
    ),
  );
  for (const { agent_id, run_id } of ended) {
    const line = stored.get(run_id);
    if (line !== undefined) found.set(agent_id, line);
  }
  return found;
}

async function lineOf(storage: Storage, orgId: string, row: WorkRow): Promise<string | null> {
  const { project_id, current, last_outcome, waiting_session_id } = row;
  const started = current?.started_at == null ? last_outcome : current;
  const sessionId = waiting_session_id ?? started?.session_id ?? null;
  if (sessionId !== null) {
    return lastLineOfTranscript(storage.transcript(orgId, project_id, sessionId));
  }
  return started && lastLineOfLog(storage.runLog(orgId, project_id, started.run_id));
}
