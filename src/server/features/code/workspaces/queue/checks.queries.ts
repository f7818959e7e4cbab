/** The checks of a project, and their results on commits. */
import { and, asc, eq, gt, inArray, isNull, sql } from "drizzle-orm";
import type { Check } from "#shared/api/code/merge-requests.js";
import { isHome } from "../../../../cluster/home-of.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import {
  checks,
  commitChecks,
  type CheckDefinition,
  type CheckOutput,
} from "../../../../db/tables/workspace-tables.js";

const checkColumns = {
  name: checks.name,
  command: checks.command,
  timeout_seconds: checks.timeout_seconds,
  network: checks.network,
  log_pattern: checks.log_pattern,
  updated_at: checks.updated_at,
};

export function listChecks(
  tx: Queryable,
  projectId: string,
  after: string,
  limit: number,
): Promise<Check[]> {
  return tx
    .select(checkColumns)
    .from(checks)
    .where(and(eq(checks.project_id, projectId), gt(checks.name, after)))
    .orderBy(asc(checks.name))
    .limit(limit);
}

export async function findCheck(
  tx: Queryable,
  projectId: string,
  name: string,
): Promise<Check | undefined> {
  const [row] = await findChecks(tx, projectId, [name]);
  return row;
}

export async function findChecks(
  tx: Queryable,
  projectId: string,
  names: readonly string[],
): Promise<Check[]> {
  if (names.length === 0) return [];
  return tx
    .select(checkColumns)
    .from(checks)
    .where(and(eq(checks.project_id, projectId), inArray(checks.name, [...names])))
    .orderBy(asc(checks.name));
}

export async function putCheck(
  tx: Queryable,
  ids: { org_id: string; project_id: string },
  check: Omit<Check, "updated_at">,
): Promise<void> {
  const set = { ...check, updated_at: sql<string>`now()` };
  await tx
    .insert(checks)
    .values({ ...ids, ...set })
    .onConflictDoUpdate({ target: [checks.project_id, checks.name], set });
}

export async function deleteCheck(tx: Queryable, projectId: string, name: string): Promise<void> {
  await tx.delete(checks).where(and(eq(checks.project_id, projectId), eq(checks.name, name)));
}

/** The newest result of a check on a commit. */
export interface CommitCheck {
  commit_sha: string;
  name: string;
  status: (typeof commitChecks.$inferSelect)["status"];
  run_id: string | null;
  detail: string | null;
  created_at: string;
  ended_at: string | null;
}

/** Returns the newest result of each check, by its definition, on each of the commits. */
export async function listCommitChecks(
  tx: Queryable,
  projectId: string,
  commits: readonly string[],
  definitionHashes: readonly string[],
): Promise<CommitCheck[]> {
  if (commits.length === 0 || definitionHashes.length === 0) return [];
  return tx
    .selectDistinctOn([commitChecks.commit_sha, commitChecks.name], {
      commit_sha: commitChecks.commit_sha,
      name: commitChecks.name,
      status: commitChecks.status,
      run_id: commitChecks.run_id,
      detail: commitChecks.detail,
      created_at: commitChecks.created_at,
      ended_at: commitChecks.ended_at,
    })
    .from(commitChecks)
    .where(
      and(
        eq(commitChecks.project_id, projectId),
        inArray(commitChecks.commit_sha, [...commits]),
        inArray(commitChecks.definition_hash, [...definitionHashes]),
        isNull(commitChecks.firing_id),
      ),
    )
    .orderBy(commitChecks.commit_sha, commitChecks.name, sql`${commitChecks.id} desc`);
}

/** A check that a commit needs. */
export interface RequiredCheck {
  org_id: string;
  project_id: string;
  /** Null for a check of a branch that an automation runs. */
  agent_id: string | null;
  /** Null for a command that a request waits for. */
  branch: string | null;
  commit_sha: string;
  name: string;
  definition: CheckDefinition;
  definition_hash: string;
  /** For a check in review: the reviewed commit, and the tree that is checked. */
  source_commit?: string;
  tree_sha?: string;
  /** The firing of an automation that runs it, beside reviews and the queue. */
  firing_id?: string;
}

export async function insertCommitChecks(
  tx: Queryable,
  required: readonly RequiredCheck[],
): Promise<void> {
  if (required.length === 0) return;
  await tx
    .insert(commitChecks)
    .values(required.map((check) => ({ id: newId(), ...check, status: "queued" as const })));
}

/**
 * Cancels the open checks of a branch, except those of the wanted commits by a current definition.
 * Returns the runs to be stopped.
 */
export async function cancelUnwantedChecks(
  tx: Queryable,
  { project_id, branch }: { project_id: string; branch: string },
  wanted: readonly string[],
  definitionHashes: readonly string[],
): Promise<string[]> {
  const cancelled = await tx
    .update(commitChecks)
    .set({
      status: "cancelled",
      detail: "The queue no longer needs this commit.",
      ended_at: sql`clock_timestamp()`,
    })
    .where(
      and(
        eq(commitChecks.project_id, project_id),
        eq(commitChecks.branch, branch),
        isNull(commitChecks.ended_at),
        isNull(commitChecks.source_commit),
        isNull(commitChecks.firing_id),
        sql`not (${commitChecks.commit_sha} = any(${sql.param([...wanted])}::text[])
          and ${commitChecks.definition_hash} = any(${sql.param([...definitionHashes])}::text[]))`,
      ),
    )
    .returning({ run_id: commitChecks.run_id });
  return cancelled.flatMap(({ run_id }) => run_id ?? []);
}

/** A check that a server process has taken. */
export interface TakenCheck extends RequiredCheck {
  id: string;
  run_id: string;
}

const takenColumns = {
  id: commitChecks.id,
  org_id: commitChecks.org_id,
  project_id: commitChecks.project_id,
  agent_id: commitChecks.agent_id,
  branch: commitChecks.branch,
  commit_sha: commitChecks.commit_sha,
  name: commitChecks.name,
  definition: commitChecks.definition,
  definition_hash: commitChecks.definition_hash,
  run_id: commitChecks.run_id,
};

/**
 * Takes the next queued check of a node, of any organization: those with the fewest running checks come first, and
 * of those the one whose last check started the longest ago.
 * Requires a system transaction.
 */
export async function takeCheck(
  db: Queryable,
  nodeId: string,
  runId: string,
  exceptOrgs: readonly string[],
): Promise<TakenCheck | undefined> {
  const next = sql`(
    select c.id from commit_checks c
    join projects p on p.id = c.project_id and p.deleted_at is null
      and p.home_node = ${nodeId}::uuid
    join organizations o on o.id = c.org_id and o.archived_at is null
    where c.status = 'queued' and c.org_id <> all(${sql.param([...exceptOrgs])}::uuid[])
    order by (select count(*) from commit_checks r
        where r.org_id = c.org_id and r.status = 'running' and r.ended_at is null),
      (select max(s.started_at) from commit_checks s where s.org_id = c.org_id) nulls first,
      -- Requests wait for commands that regenerate files, and for their checks more than people who review; automations
      -- wait the longest.
      (c.definition -> 'paths' is null), (c.firing_id is not null), (c.source_commit is not null), c.created_at, c.id
    limit 1 for update of c skip locked)`;
  const [row] = await db
    .update(commitChecks)
    .set({
      status: "running",
      run_id: runId,
      attempts: sql`${commitChecks.attempts} + 1`,
      started_at: sql`clock_timestamp()`,
      detail: null,
    })
    .where(sql`${commitChecks.id} = ${next}`)
    .returning(takenColumns);
  return row && { ...row, run_id: runId };
}

/** A running check whose run has ended. */
export interface EndedCheck extends TakenCheck {
  run_status: string;
  run_detail: string | null;
  exit_code: number | null;
  /** Whether the stored output lacks its end. */
  output_truncated: boolean;
  attempts: number;
  /** The files that it has regenerated, or why they are refused. */
  outputs: CheckOutput[] | null;
  detail: string | null;
}

/** Lists running checks of a node whose runs have ended, at most 100. Requires a system transaction. */
export async function listEndedChecks(db: Queryable, nodeId: string): Promise<EndedCheck[]> {
  const { rows } = await db.execute<EndedCheck & Record<string, unknown>>(sql`
    select c.id, c.org_id, c.project_id, c.agent_id, c.branch, c.commit_sha, c.name, c.definition,
      c.definition_hash, c.run_id, c.attempts, c.outputs, c.detail, r.status as run_status, r.detail as run_detail,
      r.exit_code, r.output_truncated
    from commit_checks c join runs r on r.id = c.run_id
    where c.status = 'running' and c.ended_at is null and r.ended_at is not null
      and ${isHome(nodeId, sql`c.project_id`)}
    order by c.id limit 100`);
  return rows;
}

/** Records the result of a check, once: it is ignored if the check has ended meanwhile. */
export async function endCheck(
  tx: Queryable,
  { id, run_id }: Pick<TakenCheck, "id" | "run_id">,
  status: "passed" | "failed",
  detail: string | null,
): Promise<void> {
  await tx
    .update(commitChecks)
    .set({ status, detail, ended_at: sql`clock_timestamp()` })
    .where(
      and(eq(commitChecks.id, id), eq(commitChecks.run_id, run_id), isNull(commitChecks.ended_at)),
    );
}

/**
 * Queues a check again whose run says nothing about the commit.
 * @param isCounted whether its start counts as an attempt
 */
export async function requeueCheck(
  tx: Queryable,
  { id, run_id }: Pick<TakenCheck, "id" | "run_id">,
  isCounted: boolean,
): Promise<void> {
  await tx
    .update(commitChecks)
    .set({
      status: "queued",
      run_id: null,
      outputs: null,
      detail: null,
      ...(!isCounted && { attempts: sql`${commitChecks.attempts} - 1` }),
    })
    .where(
      and(eq(commitChecks.id, id), eq(commitChecks.run_id, run_id), isNull(commitChecks.ended_at)),
    );
}

/** Says what the queued checks of an organization wait for. */
export async function explainWait(tx: Queryable, orgId: string, detail: string): Promise<void> {
  await tx
    .update(commitChecks)
    .set({ detail })
    .where(
      and(
        eq(commitChecks.org_id, orgId),
        eq(commitChecks.status, "queued"),
        sql`${commitChecks.detail} is distinct from ${detail}`,
      ),
    );
}

/** Lists the open checks of a branch. */
export async function listOpenChecks(
  tx: Queryable,
  { project_id, branch }: { project_id: string; branch: string },
): Promise<{ commit_sha: string; definition_hash: string }[]> {
  return tx
    .select({
      commit_sha: commitChecks.commit_sha,
      definition_hash: commitChecks.definition_hash,
    })
    .from(commitChecks)
    .where(
      and(
        eq(commitChecks.project_id, project_id),
        eq(commitChecks.branch, branch),
        isNull(commitChecks.ended_at),
        isNull(commitChecks.source_commit),
        isNull(commitChecks.firing_id),
      ),
    );
}

/** Deletes results that ended long ago; those of automations stay with their firings. Requires a system transaction. */
export async function deleteOldChecks(db: Queryable, days: number): Promise<void> {
  await db.execute(sql`
    delete from commit_checks where ended_at < now() - make_interval(days => ${days}) and firing_id is null
      and not exists (select from merge_requests q where q.project_id = commit_checks.project_id
        and q.candidate_commit = commit_checks.commit_sha and q.ended_at is null)`);
}
