import { and, desc, eq, isNotNull, isNull, sql, type SQL } from "drizzle-orm";
import type { PresetName } from "#shared/execution/run-choices.js";
import type { Run } from "#shared/api/execution/runs.js";
import type { Exit } from "#execution/outcome.js";
import { isHomeOfAgent, takesRuns } from "../../../cluster/home-of.js";
import type { authorOf } from "../../../access/author.queries.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { runs } from "../../../db/tables/tables.js";
import { workspaces } from "../../../db/tables/workspace-tables.js";
import {
  awaitedByRunner,
  hasUnclaimedSlot,
  leaseOf,
  queueOf,
  statementTime,
  waitsForBuild,
} from "./runs.queries.js";

/** A server without a heartbeat for this long is considered dead, and its runs are lost. */
export const serverLeaseSeconds = 15;
const serverLease = leaseOf(serverLeaseSeconds);

/**
 * A run of a command on this server: in an agent's workspace, a check of the merge queue, a second opinion, or a
 * build of a project's environment.
 */
export type ManagedRun = AgentRun | CheckRun | BuildRun | ReviewRun;

/** A run in an agent's workspace. */
export interface AgentRun extends RunFields {
  kind: "managed";
  agent_id: string;
  project_id: null;
  /** The session whose program it is. */
  session_id?: string | null;
}

/** A check of a commit: with the work of an agent, or of a branch of a project. */
export type CheckRun = RunFields & { kind: "check" } & (
    | { agent_id: string; project_id: null }
    | { agent_id: null; project_id: string }
  );

/** A second opinion on a commit of an agent, by another program. */
export interface ReviewRun extends RunFields {
  kind: "review";
  agent_id: string;
  project_id: null;
}

/** A build of a project's environment. */
export interface BuildRun extends RunFields {
  kind: "build";
  agent_id: null;
  project_id: string;
}

interface RunFields {
  id: string;
  org_id: string;
  command: string[];
  preset: PresetName | null;
  network: "none" | "restricted" | "full";
  /** For the network `restricted`. */
  allowed_hosts: string[] | null;
  timeout_seconds: number;
  limits: NonNullable<Run["limits"]>;
}

type RunRequest = Pick<typeof runs.$inferInsert, "origin" | "env_names" | "prompt" | "model"> & {
  started_by: ReturnType<typeof authorOf> | null;
};

/** The server process and the HMAC of the token of a running run; a check has no token. */
interface RunProcess {
  server_id: string;
  token_hash: Buffer | null;
}

const started = ({ server_id, token_hash }: RunProcess) => ({
  status: "running" as const,
  started_at: statementTime,
  last_heartbeat_at: statementTime,
  lease_expires_at: serverLease,
  server_id,
  token_hash,
});

/** @throws unique violation of `runs_one_per_agent` */
export async function insertStarted(
  tx: Queryable,
  run: ManagedRun & RunRequest,
  held: RunProcess,
): Promise<void> {
  await tx.insert(runs).values({ ...run, ...started(held) });
}

export async function insertQueued(
  tx: Queryable,
  run: AgentRun &
    RunRequest & { sealed_env: Buffer; detail: string } & Partial<
      Pick<typeof runs.$inferInsert, "runner_labels" | "in_cluster">
    >,
): Promise<void> {
  await tx.insert(runs).values({ ...run, status: "queued", started_at: null });
}

/** Counts the queued runs of an organization. */
export async function countQueued(tx: Queryable, orgId: string): Promise<number> {
  const rows = await tx
    .select({ id: runs.id })
    .from(runs)
    .where(and(eq(runs.org_id, orgId), eq(runs.status, "queued")));
  return rows.length;
}

export interface QueuedRun extends AgentRun {
  /** The home of its project. */
  home_node: string;
  origin: (typeof runs.$inferSelect)["origin"];
  sealed_env: Buffer | null;
}

/**
 * Returns the first queued run of a server whose agent is idle and whose workspace waits for no environment.
 * Those of other nodes that are away are passed over. Returns none while a runner takes an earlier run.
 */
export async function nextQueued(
  tx: Queryable,
  orgId: string,
  nodeId: string,
): Promise<QueuedRun | undefined> {
  const { rows } = await tx.execute<{ id: string; home_node: string; is_for_runner: boolean }>(sql`
    select queue.id, p.home_node, waiting.runner_labels is not null as is_for_runner
    from (${queueOf(`'${orgId}'::uuid`)}) queue
    join runs waiting on waiting.id = queue.id
    join agents a on a.id = queue.agent_id
    join projects p on p.id = a.project_id
    join nodes n on n.id = p.home_node
    where case when waiting.runner_labels is null
        then n.id = ${nodeId}::uuid or ${sql.raw(takesRuns("n"))}
        else ${sql.raw(`(n.url is null or n.lease_until > clock_timestamp()) and ${awaitedByRunner("waiting")}`)} end
      and not exists (select from runs r where r.agent_id = queue.agent_id
      and r.status = 'running' and r.kind not in ('check', 'review'))
      and not ${waitsForBuild(sql`queue.agent_id`)}
      and ${hasUnclaimedSlot(sql`${orgId}::uuid`)}
    order by queue.position limit 1`);
  const [first] = rows;
  if (!first || first.is_for_runner) return undefined;
  const [row] = await tx
    .select({
      id: runs.id,
      kind: runs.kind,
      org_id: runs.org_id,
      agent_id: runs.agent_id,
      project_id: runs.project_id,
      command: runs.command,
      preset: runs.preset,
      network: runs.network,
      allowed_hosts: runs.allowed_hosts,
      timeout_seconds: runs.timeout_seconds,
      limits: runs.limits,
      origin: runs.origin,
      sealed_env: runs.sealed_env,
    })
    .from(runs)
    .where(and(eq(runs.id, first.id), eq(runs.status, "queued")));
  return row && { ...(row as Omit<QueuedRun, "home_node">), home_node: first.home_node };
}

/**
 * Starts a queued run under the current limits. Returns the seconds it waited, or null if it is no
 * longer queued.
 * @throws unique violation of `runs_one_per_agent`
 */
export async function startQueued(
  tx: Queryable,
  { id, limits, network }: Pick<ManagedRun, "id" | "limits" | "network">,
  held: RunProcess,
): Promise<number | null> {
  const [claimed] = await tx
    .update(runs)
    .set({ ...started(held), limits, network, sealed_env: null, detail: null })
    .where(and(eq(runs.id, id), eq(runs.status, "queued")))
    .returning({ seconds: sql<number>`extract(epoch from now() - ${runs.created_at})::float8` });
  return claimed ? claimed.seconds : null;
}

/** A server's heartbeat for one run. */
export interface Heartbeat {
  id: string;
  bytes: number;
  truncated: boolean;
}

/** The reply for one run: the requested ending, if any. */
export interface HeartbeatReply extends Record<string, unknown> {
  id: string;
  stop_status: Run["status"] | null;
  stop_detail: string | null;
}

/**
 * Extends the runs' leases. Runs that have ended elsewhere are missing in the result. Requires a system
 * transaction.
 */
export async function recordHeartbeats(
  db: Queryable,
  heartbeats: readonly Heartbeat[],
): Promise<HeartbeatReply[]> {
  const { rows } = await db.execute<HeartbeatReply>(sql`
    update runs set last_heartbeat_at = now(), lease_expires_at = ${serverLease},
      output_bytes = sent.bytes, output_truncated = sent.truncated
    from unnest(${sql.param(heartbeats.map(({ id }) => id))}::uuid[],
      ${sql.param(heartbeats.map(({ bytes }) => bytes))}::bigint[],
      ${sql.param(heartbeats.map(({ truncated }) => truncated))}::boolean[]) as sent (id, bytes, truncated)
    where runs.id = sent.id and runs.status = 'running'
    returning runs.id, runs.stop_status, runs.stop_detail`);
  return rows;
}

/** Records a command's exit and invalidates its token. Returns false if the run has already ended. */
export async function recordExit(tx: Queryable, id: string, exit: Exit): Promise<boolean> {
  const exited = await tx
    .update(runs)
    .set({ ...exit, exited_at: sql`now()`, token_hash: null })
    .where(and(eq(runs.id, id), eq(runs.status, "running")))
    .returning({ id: runs.id });
  return exited.length === 1;
}

/** Ends a run with its command's exit status and time. */
export async function endExited(tx: Queryable, id: string): Promise<void> {
  await tx
    .update(runs)
    .set({ status: sql`outcome`, ended_at: sql`exited_at`, lease_expires_at: null })
    .where(and(eq(runs.id, id), eq(runs.status, "running")));
}

/** Records that a run has a repository at a commit, or why it has none. */
export async function recordRepository(
  tx: Queryable,
  id: string,
  { tip, error }: { tip: string | null; error: string | null },
): Promise<void> {
  await tx
    .update(runs)
    .set({ repository_tip: tip, repository_error: error })
    .where(eq(runs.id, id));
}

/** Records what was taken from a run's repository, in addition to what was taken before. */
export async function recordTakenCommits(
  tx: Queryable,
  id: string,
  {
    tip,
    commits,
    diverged,
    error,
  }: { tip: string | null; commits: number; diverged: readonly string[]; error: string | null },
): Promise<void> {
  await tx
    .update(runs)
    .set({
      ...(tip !== null && { repository_tip: tip }),
      repository_taking: null,
      repository_commits: sql`${runs.repository_commits} + ${commits}`,
      repository_branches: sql`array(select distinct unnest(${runs.repository_branches} || ${sql.param(diverged)}::text[]) order by 1)`,
      repository_error: error,
    })
    .where(eq(runs.id, id));
}

/** Returns the id of an agent's run in progress that has a repository; null without one. */
export async function findRunWithRepository(
  tx: Queryable,
  agentId: string,
): Promise<string | null> {
  const [row] = await tx
    .select({ id: runs.id })
    .from(runs)
    .where(
      and(
        eq(runs.agent_id, agentId),
        eq(runs.kind, "managed"),
        eq(runs.status, "running"),
        isNotNull(runs.repository_tip),
      ),
    );
  return row?.id ?? null;
}

/** Records what is being taken from a run's repository. */
export async function recordTaking(
  tx: Queryable,
  id: string,
  taking: { tip: string; to: string; commits: number },
): Promise<void> {
  await tx.update(runs).set({ repository_taking: taking }).where(eq(runs.id, id));
}

/** The repository of a run. */
export interface RunRepository {
  /** Its newest known commit. */
  tip: string;
  /** What a server was taking from it. */
  taking: (typeof runs.$inferSelect)["repository_taking"];
  /** Whether it is used in containers. */
  isDocker: boolean;
}

/** Returns the repository of a run; null if it has none, or if a later run of its agent has used it. */
export async function findRepository(tx: Queryable, id: string): Promise<RunRepository | null> {
  const [row] = await tx
    .select({
      tip: runs.repository_tip,
      taking: runs.repository_taking,
      type: workspaces.workspace_type,
    })
    .from(runs)
    .leftJoin(workspaces, eq(workspaces.agent_id, runs.agent_id))
    .where(
      and(
        eq(runs.id, id),
        sql`not exists (select from runs later where later.agent_id = ${runs.agent_id}
          and later.started_at > ${runs.started_at} and later.repository_tip is not null)`,
      ),
    );
  if (!row?.tip) return null;
  return { tip: row.tip, taking: row.taking, isDocker: row.type === "docker" };
}

/** A lost run in an agent's workspace. */
export interface LostRun {
  id: string;
  org_id: string;
  agent_id: string;
}

/** Lists the lost runs of an agent whose workspace is still to be saved, oldest first. */
export async function listUnsavedOf(tx: Queryable, agentId: string): Promise<LostRun[]> {
  return unsaved(tx, eq(runs.agent_id, agentId));
}

/** Lists the lost runs of a node whose workspaces are still to be saved. Requires a system transaction. */
export async function listUnsaved(tx: Queryable, nodeId: string): Promise<LostRun[]> {
  return unsaved(tx, isHomeOfAgent(nodeId, runs.agent_id));
}

async function unsaved(tx: Queryable, which: SQL): Promise<LostRun[]> {
  return tx
    .select({ id: runs.id, org_id: runs.org_id, agent_id: sql<string>`${runs.agent_id}` })
    .from(runs)
    .where(and(runs.is_unsaved, which))
    .orderBy(runs.ended_at, runs.id)
    .limit(1000);
}

/** Records that the workspace of a lost run was saved. */
export async function recordSaved(tx: Queryable, id: string): Promise<void> {
  await tx.update(runs).set({ is_unsaved: false }).where(eq(runs.id, id));
}

/**
 * Returns the commits that were taken from the repository of the agent's last run with one: its newest,
 * and the abbreviated ids of those kept in branches, with which their names end.
 */
export async function findTakenCommits(tx: Queryable, agentId: string): Promise<string[]> {
  const [row] = await tx
    .select({ tip: runs.repository_tip, branches: runs.repository_branches })
    .from(runs)
    .where(and(eq(runs.agent_id, agentId), isNotNull(runs.repository_tip)))
    .orderBy(desc(runs.started_at))
    .limit(1);
  if (!row?.tip) return [];
  return [row.tip, ...row.branches.flatMap((name) => /[0-9a-f]{12}$/.exec(name)?.[0] ?? [])];
}

export async function recordCheckpoint(
  tx: Queryable,
  id: string,
  checkpoint: { checkpoint_sha: string | null; checkpoint_error: string | null },
): Promise<void> {
  await tx
    .update(runs)
    .set({ ...checkpoint, checkpointed: true })
    .where(eq(runs.id, id));
}

/** Ends a run that was reserved and could not be started. */
export async function endUnstarted(
  tx: Queryable,
  id: string,
  status: "failed" | "lost",
  detail: string,
): Promise<void> {
  await tx
    .update(runs)
    .set({ status, detail, ended_at: sql`now()`, lease_expires_at: null })
    .where(and(eq(runs.id, id), eq(runs.status, "running")));
}

/**
 * Returns those of the ids that are checks, opinions or builds and have ended, with their projects. Requires a
 * system transaction.
 */
export async function listEndedAmong(
  db: Queryable,
  ids: readonly string[],
): Promise<{ id: string; project_id: string }[]> {
  if (ids.length === 0) return [];
  const { rows } = await db.execute<{ id: string; project_id: string }>(sql`
    select r.id, coalesce(r.project_id, a.project_id) as project_id
    from runs r left join agents a on a.id = r.agent_id
    where r.id = any(${sql.param([...ids])}::uuid[]) and r.kind in ('check', 'build', 'review')
      and r.ended_at is not null`);
  return rows;
}

/** Lists organizations with queued runs of a node, without those for runners. Requires a system transaction. */
export async function listQueuedOrganizations(db: Queryable, nodeId: string): Promise<string[]> {
  const rows = await db
    .selectDistinct({ org_id: runs.org_id })
    .from(runs)
    .where(
      and(
        eq(runs.status, "queued"),
        isNull(runs.runner_labels),
        isHomeOfAgent(nodeId, runs.agent_id),
      ),
    );
  return rows.map((row) => row.org_id);
}
