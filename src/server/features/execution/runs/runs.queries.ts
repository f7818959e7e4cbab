import { and, asc, desc, eq, notInArray, sql, type SQL } from "drizzle-orm";
import type { Run } from "#shared/api/execution/runs.js";
import type { WorkspaceType } from "#shared/code/workspace-choices.js";
import { isHomeOfAgent, takesRuns } from "../../../cluster/home-of.js";
import { newId } from "../../../db/tables/columns.js";
import { prepared, type Queryable } from "../../../db/connection/connect.js";
import { agents, environments, organizations, projects, runs } from "../../../db/tables/tables.js";
import type { authorOf } from "../../../access/author.queries.js";
import { usageColumns, type UsageRow } from "../../organization/usage/index.js";

/**
 * The order of an organization's queue: round-robin over agents, least recently started first. Rows of
 * `id`, `agent_id`, `position`.
 */
export const queueTextOf = (orgId: string): string => `
  select q.id, q.agent_id, row_number() over (order by q.turn, q.last_start nulls first, q.id) as position
  from (
    select r.id, r.agent_id, row_number() over (partition by r.agent_id order by r.id) as turn,
      (select max(s.started_at) from runs s where s.agent_id = r.agent_id and s.kind not in ('check', 'review'))
        as last_start
    from runs r where r.org_id = ${orgId} and r.status = 'queued'
  ) q`;

/** As a part of a query. */
export const queueOf = (orgId: string) => sql.raw(queueTextOf(orgId));

/**
 * Whether a queued run that a runner executes is about to start: it is offered to a runner, or one waits that can
 * take it. Other runs do not overtake it then. The cluster may need minutes: a run that it has claimed keeps a slot
 * (`hasUnclaimedSlot`), and others go on.
 * @param run alias of the run
 */
export const awaitedByRunner = (
  run: string,
): string => `((${run}.offered_until > now() and not ${run}.in_cluster)
  or (not ${run}.in_cluster or ${run}.runner_id is null) and exists (select from runners n where n.waiting_until > now() and not n.paused
    and ${run}.in_cluster = (n.kind = 'cluster')
    and ${run}.runner_labels <@ n.labels and ${run}.network = any(n.networks)
    and (n.org_id is null or n.org_id = ${run}.org_id)))`;

/** Whether an organization has a slot beside those of its runs and of the queued runs that the cluster has claimed. */
export const hasUnclaimedSlot = (orgId: SQL): SQL => sql`(
  select claimed.count = 0 or claimed.count + (select count(*) from runs b where b.org_id = ${orgId}
    and b.status = 'running' and b.kind in ('managed', 'leased')) < o.max_concurrent_agents
  from organizations o cross join (select count(*) from runs c where c.org_id = ${orgId}
    and c.status = 'queued' and c.in_cluster and c.offered_until > now()) claimed
  where o.id = ${orgId})`;

/** Whether the workspace of an agent waits for a build of its environment. */
export const waitsForBuild = (agentId: SQL): SQL => sql`exists (select from workspaces w
  join environment_builds b on b.id = w.environment_build_id and b.ended_at is null
  where w.agent_id = ${agentId} and w.environment_state = 'waiting')`;

export const runColumns = {
  id: runs.id,
  agent_id: runs.agent_id,
  kind: runs.kind,
  status: runs.status,
  exit_code: runs.exit_code,
  started_at: runs.started_at,
  ended_at: runs.ended_at,
  runtime_seconds: sql<number>`coalesce(greatest(round(extract(epoch from coalesce(${runs.ended_at}, now()) - ${runs.started_at}), 4), 0), 0)::float8`,
  lease_expires_at: runs.lease_expires_at,
  created_at: runs.created_at,
  runner_labels: runs.runner_labels,
  runner: sql<
    Run["runner"]
  >`case when ${runs.started_at} is not null and ${runs.runner_id} is not null
    then (select json_build_object('id', n.id, 'name', n.name) from runners n
      where n.id = ${sql.raw("runs.runner_id")}) end`,
  started_by: runs.started_by,
  stop_requested: sql<boolean>`${runs.stop_status} is not null and ${runs.ended_at} is null`,
  detail: runs.detail,
  command: runs.command,
  preset: runs.preset,
  session_id: runs.session_id,
  prompt: runs.prompt,
  model: runs.model,
  result: runs.result,
  network: runs.network,
  allowed_hosts: runs.allowed_hosts,
  egress: sql<
    Run["egress"]
  >`json_build_object('allowed', ${runs.egress_allowed}, 'denied', ${runs.egress_denied})`,
  model_usage: sql<Run["model_usage"]>`(select json_build_object(
      'input_tokens', sum(u.input_tokens), 'output_tokens', sum(u.output_tokens),
      'cache_read_tokens', sum(u.cache_read_tokens), 'cache_write_tokens', sum(u.cache_write_tokens),
      'requests', sum(u.requests),
      'cost_usd', case when sum(u.unpriced_requests) = 0 then sum(u.cost_nanousd)::float8 / 1e9 end)
    from model_usage u where u.run_id = ${sql.raw("runs.id")} having count(*) > 0)`,
  timeout_seconds: runs.timeout_seconds,
  env_names: runs.env_names,
  limits: runs.limits,
  peak_memory_bytes: runs.peak_memory_bytes,
  cpu_seconds: runs.cpu_seconds,
  queue_position: sql<
    number | null
  >`case when ${runs.status} = 'queued' then (select position::int from (${queueOf("runs.org_id")}) queue where queue.id = ${sql.raw("runs.id")}) end`,
  output: sql<
    Run["output"]
  >`json_build_object('bytes', ${runs.output_bytes}, 'truncated', ${runs.output_truncated})`,
  repository: sql<
    Run["repository"]
  >`case when ${runs.repository_tip} is not null or ${runs.repository_error} is not null
    then json_build_object('commits', ${runs.repository_commits},
      'diverged_branches', ${runs.repository_branches}, 'error', ${runs.repository_error}) end`,
  checkpoint: sql<
    Run["checkpoint"]
  >`case when ${runs.checkpointed} then json_build_object('commit_sha', ${runs.checkpoint_sha}, 'error', ${runs.checkpoint_error}) end`,
};

/**
 * The time of a statement. Its transaction may have begun before another run ended, and waited for its slot: the
 * statement comes after the lock of the organization.
 */
export const statementTime = sql<string>`statement_timestamp()`;

/** The end of a lease that begins with the statement. */
export const leaseOf = (seconds: number) =>
  sql<string>`${statementTime} + make_interval(secs => ${seconds})`;

const lease = leaseOf(60);

export async function findRun(tx: Queryable, id: string): Promise<Run | undefined> {
  const [row] = await tx
    .select(runColumns)
    .from(runs)
    .where(eq(runs.id, sql.placeholder("id")))
    .prepare("find a run")
    .execute({ id });
  return row;
}

/** @param filter `after` is the id of the previous page's last run; null starts at the first */
export async function listRuns(
  tx: Queryable,
  agentId: string,
  filter: {
    status?: Run["status"] | undefined;
    order?: "newest" | "oldest" | undefined;
    after: string | null;
  },
  limit: number,
): Promise<Run[]> {
  const isOldest = filter.order === "oldest";
  const behind = isOldest ? sql`${runs.id} > ${filter.after}` : sql`${runs.id} < ${filter.after}`;
  return tx
    .select(runColumns)
    .from(runs)
    .where(
      and(
        eq(runs.agent_id, agentId),
        notInArray(runs.kind, ["check", "review"]),
        filter.status === undefined ? undefined : eq(runs.status, filter.status),
        filter.after === null ? undefined : behind,
      ),
    )
    .orderBy((isOldest ? asc : desc)(runs.id))
    .limit(limit);
}

/** @throws unique violation of `runs_one_per_agent` */
export async function insertLeasedRun(
  tx: Queryable,
  values: Pick<typeof runs.$inferInsert, "org_id" | "agent_id" | "origin"> & {
    started_by: ReturnType<typeof authorOf>;
  },
): Promise<Run> {
  const [row] = await tx
    .insert(runs)
    .values({
      id: newId(),
      ...values,
      kind: "leased",
      status: "running",
      created_at: statementTime,
      started_at: statementTime,
      last_heartbeat_at: statementTime,
      lease_expires_at: lease,
    })
    .returning(runColumns)
    .prepare("start a leased run")
    .execute();
  return row as Run;
}

/** An agent about to run, the conditions that may prevent it, and its organization's usage. */
export interface Candidate extends UsageRow {
  terminated: boolean;
  /** Whether its organization is archived. */
  archived: boolean;
  busy: boolean;
  /** Number of queued agents in the organization that could start now. Those of absent nodes and runners cannot. */
  waiting: number;
}

const candidateText = `
  select a.terminated_at is not null as terminated, o.archived_at is not null as archived,
    exists (select from runs r where r.agent_id = a.id and r.status = 'running'
      and r.kind not in ('check', 'review')) as busy,
    (select count(distinct q.agent_id)::int from runs q where q.org_id = a.org_id
      and q.status = 'queued' and (q.runner_labels is null or ${awaitedByRunner("q")})
      and not exists (select from runs r where r.agent_id = q.agent_id and r.status = 'running'
          and r.kind not in ('check', 'review'))
      and not exists (select from workspaces w join environment_builds b
          on b.id = w.environment_build_id and b.ended_at is null
        where w.agent_id = q.agent_id and w.environment_state = 'waiting')
      and exists (select from agents qa join projects qp on qp.id = qa.project_id
        join nodes qn on qn.id = qp.home_node
        where qa.id = q.agent_id and ${takesRuns("qn")})) as waiting,
    o.max_concurrent_agents, o.max_agent_runtime_hours, ${usageColumns("o.id")}
  from agents a join organizations o on o.id = a.org_id where a.id = $1`;

/**
 * Returns undefined if the agent does not exist. With the organization's lock held, the answer stays
 * valid.
 */
export async function findCandidate(tx: Queryable, id: string): Promise<Candidate | undefined> {
  const [row] = await prepared<Candidate>(tx, "find an agent that is to run", candidateText, [id]);
  return row;
}

/** Extends the lease of an active leased run. Returns false if it has ended. */
export async function extendLease(tx: Queryable, id: string): Promise<boolean> {
  const extended = await tx
    .update(runs)
    .set({ last_heartbeat_at: sql`now()`, lease_expires_at: lease })
    .where(
      and(
        eq(runs.id, id),
        eq(runs.kind, "leased"),
        eq(runs.status, "running"),
        sql`${runs.lease_expires_at} > now()`,
      ),
    )
    .returning({ id: runs.id });
  return extended.length === 1;
}

/**
 * Ends runs with expired leases as lost, counted to their last heartbeat. A managed run whose command
 * had already exited gets its real outcome, and its workspace is to be saved. Runs on runners are judged by
 * their home alone. Requires a system transaction.
 * @param orphansOf the only live server process; managed runs of others are ended regardless of their
 * lease
 */
export async function endLostRuns(
  db: Queryable,
  nodeId: string,
  orphansOf: string | null = null,
): Promise<void> {
  await db.execute(sql`
    update runs set status = coalesce(outcome, 'lost'),
      ended_at = coalesce(exited_at, last_heartbeat_at), lease_expires_at = null, token_hash = null,
      is_unsaved = kind = 'managed' and runner_labels is null, sealed_env = null,
      detail = case when outcome is not null then detail
        when runner_labels is not null then 'Its runner has not been heard of for a minute.'
        when kind <> 'leased' then 'The server that ran it ended without warning; what it did until its last sign of life is kept.'
        else 'Its agent sent no heartbeat for 60 seconds.' end
    where status = 'running'
      and (runner_labels is null or ${isHomeOfAgent(nodeId, runs.agent_id)})
      and (lease_expires_at < now()
      or (kind <> 'leased' and ${orphansOf}::uuid is not null and server_id <> ${orphansOf}::uuid))`);
}

/** Lists organizations with an active run. Requires a system transaction. */
export async function listRunningOrganizations(db: Queryable): Promise<string[]> {
  const rows = await db
    .selectDistinct({ org_id: runs.org_id })
    .from(runs)
    .where(eq(runs.status, "running"));
  return rows.map((row) => row.org_id);
}

/**
 * Records the hours warning of an organization, once a month per limit. Returns undefined if it was
 * already sent.
 */
export async function claimHoursWarning(
  tx: Queryable,
  orgId: string,
  limit: number,
  periodStart: string,
): Promise<{ name: string; slug: string } | undefined> {
  const [row] = await tx
    .update(organizations)
    .set({ hours_warned_at: sql`now()`, hours_warned_limit: limit })
    .where(
      and(
        eq(organizations.id, orgId),
        sql`(${organizations.hours_warned_at} is null or ${organizations.hours_warned_at} < ${periodStart}
          or ${organizations.hours_warned_limit} is distinct from ${limit})`,
      ),
    )
    .returning({ name: organizations.name, slug: organizations.slug });
  return row;
}

/** Returns the project of a run. */
export async function projectOf(tx: Queryable, runId: string): Promise<string> {
  const [row] = await tx
    .select({ project_id: sql<string>`coalesce(${runs.project_id}, ${agents.project_id})` })
    .from(runs)
    .leftJoin(agents, eq(agents.id, runs.agent_id))
    .where(eq(runs.id, runId));
  return row?.project_id ?? "";
}

/** Returns the project of an agent. */
export async function projectOfAgent(tx: Queryable, agentId: string): Promise<string> {
  const [row] = await tx
    .select({ project_id: agents.project_id })
    .from(agents)
    .where(eq(agents.id, agentId));
  return row?.project_id ?? "";
}

/**
 * Returns what the runs of an agent get by default: the text of its task, its project's hosts, and its organization's
 * models; and the type of its workspace.
 */
export async function findDefaults(
  tx: Queryable,
  agentId: string,
): Promise<{
  task: string | null;
  allowed_hosts: string[] | null;
  allowed_models: string[] | null;
  workspaceType: WorkspaceType | null;
  is_untrusted: boolean;
}> {
  const [row] = await tx
    .select({
      task: agents.task_text,
      allowed_hosts: environments.allowed_hosts,
      allowed_models: organizations.allowed_models,
      workspaceType: sql<WorkspaceType | null>`(select w.workspace_type from workspaces w
        where w.agent_id = ${agents.id})`,
      is_untrusted: isUntrusted(sql`${agents.id}`),
    })
    .from(agents)
    .leftJoin(environments, eq(environments.project_id, agents.project_id))
    .innerJoin(organizations, eq(organizations.id, agents.org_id))
    .where(eq(agents.id, agentId));
  return (
    row ?? {
      task: null,
      allowed_hosts: null,
      allowed_models: null,
      workspaceType: null,
      is_untrusted: false,
    }
  );
}

/** Whether an agent, or one above it, works on a task whose text is by people from outside. */
const isUntrusted = (agentId: SQL) => sql<boolean>`exists (
  with recursive above (id, parent_id) as (
    select g.id, g.parent_agent_id from agents g where g.id = ${agentId}
    union select g.id, g.parent_agent_id from above join agents g on g.id = above.parent_id)
  select from above join task_attempts a on a.agent_id = above.id
  join tasks t on t.id = a.task_id where t.trust = 'untrusted')`;

export async function isUntrustedAgent(tx: Queryable, agentId: string): Promise<boolean> {
  const { rows } = await tx.execute<{ is_untrusted: boolean }>(
    sql`select ${isUntrusted(sql`${agentId}::uuid`)} as is_untrusted`,
  );
  return rows[0]?.is_untrusted === true;
}

/** Returns the agent of a run, or the project of a build, for the audit log. */
export async function ownerOf(
  tx: Queryable,
  { id, agent_id }: Pick<Run, "id" | "agent_id">,
): Promise<{ type: "agent" | "project"; id: string; name: string }> {
  if (agent_id === null) {
    const [row] = await tx
      .select({ id: projects.id, name: projects.name })
      .from(projects)
      .innerJoin(runs, eq(runs.project_id, projects.id))
      .where(eq(runs.id, id));
    return { type: "project", id: row?.id ?? "", name: row?.name ?? "" };
  }
  const [row] = await tx.select({ name: agents.name }).from(agents).where(eq(agents.id, agent_id));
  return { type: "agent", id: agent_id, name: row?.name ?? "" };
}
