import { results, type Results } from "#shared/api/work/overview.js";
import { allows } from "../../../access/access.js";
import { isoInstant } from "../../../db/tables/columns.js";
import { AppError } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { comparePairs, type WorkDeps } from "./list-work.js";
import * as queries from "./results.queries.js";

/** Merges that are listed; the page of a project lists all. */
const MAX_MERGES = 20;
const MAX_TASKS = 20;
/** The earliest instant; usage and statements cover longer periods. */
const MAX_DAYS = 7;

/**
 * Sums up the results since an instant. An agent sees its own.
 * @throws AppError 422 for an instant more than seven days ago
 */
export async function readResults(
  deps: WorkDeps,
  context: OrgContext,
  since: string,
): Promise<Results> {
  if (Date.parse(since) < Date.now() - MAX_DAYS * 86_400_000) {
    const msg = `must be within the last ${MAX_DAYS} days`;
    throw new AppError("validation_failed", `since ${msg}.`, {
      errors: [{ loc: ["query", "since"], msg, type: "too_early" }],
    });
  }
  const { access, actor, orgId } = context;
  const agentId = actor.agent?.id ?? null;
  const seesTasks = allows(access, "project:task:read");
  const seesMerges = allows(access, "agent:workspace:read");
  const { figures, merges, tasks } = await context.tx(async (tx) => ({
    figures: await queries.readFigures(tx, orgId, since, agentId),
    merges: seesMerges
      ? await queries.listMergesSince(tx, orgId, since, { agentId, seesTasks }, MAX_MERGES)
      : [],
    tasks: seesTasks ? await queries.listFinishedTasks(tx, orgId, since, agentId, MAX_TASKS) : [],
  }));
  const elsewhere = await deps.otherNodes.homesOf(merges.map(({ project_id }) => project_id));
  const [compared, others] = await Promise.all([
    comparePairs(
      deps,
      orgId,
      merges.map(({ project_id, source_commit, target_commit }) =>
        elsewhere.has(project_id)
          ? null
          : {
              repoPath: deps.storage.repository(orgId, project_id),
              base: target_commit,
              head: source_commit,
              agentId: null,
            },
      ),
    ),
    mergesElsewhere(deps, context, elsewhere),
  ]);
  return {
    since,
    ...figures,
    total_merges: merges[0]?.total ?? 0,
    merges: merges.map((row, index) => {
      const { source_commit: _source, target_commit: _target, total: _total, at, ...merge } = row;
      const counted: Partial<Results["merges"][number]> =
        compared[index] ?? others.get(row.id) ?? {};
      const { commits = null, additions = null, deletions = null } = counted;
      return {
        ...merge,

        at: isoInstant(at),
        commits,
        additions,
        deletions,
      };
    }),
    finished_tasks: tasks.map(({ at, ...task }) => ({ ...task, at: isoInstant(at) })),
  };
}

/** Returns the merges in repositories on other nodes, by id. */
async function mergesElsewhere(
  { otherNodes }: WorkDeps,
  context: OrgContext,
  homes: ReadonlyMap<string, string>,
): Promise<Map<string, Results["merges"][number]>> {
  const found = new Map<string, Results["merges"][number]>();
  for (const [home, answer] of await otherNodes.ask(context, homes.values())) {
    for (const merge of results.safeParse(answer).data?.merges ?? []) {
      if (homes.get(merge.project_id) === home) found.set(merge.id, merge);
    }
  }
  return found;
}
