import { sql, type SQL } from "drizzle-orm";
import { RUNNER_LEASE_SECONDS } from "#shared/execution/runner/protocol.js";
import { takesRuns } from "../../../cluster/home-of.js";
import { valuesOf, withZeros, type DatabaseGauge } from "../../../metrics/database-gauges.js";
import { awaitedByRunner, waitsForBuild } from "./runs.queries.js";

/** Why a run is queued. The first reason that applies counts: the others do not matter until it has passed. */
const waitReasons = [
  // Another run of the agent is in progress.
  "agent_busy",
  // A build of the project's environment.
  "environment",
  // The home of its project stops, takes no new projects and is away, or is about to be another server.
  "draining",
  // The home of its project is away, or cannot run commands.
  "no_server",
  // No runner that could take it is online, or the cluster is not.
  "no_runner",
  // Its organization has as many runs as it may have at once.
  "quota",
  // The runners that could take it have no free slot.
  "runners_busy",
  // Nothing: it is about to start.
  "starting",
] as const;

/** Each set of rows is read once, whatever the length of the queue. */
const oldestByReason = (drainingNode: string | null): SQL => sql`
  with busy as (
    select distinct agent_id from runs where status = 'running' and kind not in ('check', 'review')
  ), taken as (
    select org_id, count(*) as slots from runs
    where (status = 'running' and kind in ('managed', 'leased'))
      or (status = 'queued' and in_cluster and offered_until > now())
    group by org_id
  )
  select array[reason] as labels,
    greatest(max(extract(epoch from clock_timestamp() - created_at)), 0)::float8 as value
  from (
    select q.created_at, case
      when busy.agent_id is not null then 'agent_busy'
      when ${waitsForBuild(sql`q.agent_id`)} then 'environment'
      when n.id is null or n.id = ${drainingNode}::uuid then 'draining'
      when ${sql.raw(takesRuns("n"))} is not true and (q.runner_labels is null or n.lease_until is null
          or n.lease_until <= clock_timestamp())
        then case when n.draining then 'draining' else 'no_server' end
      when q.offered_until > now() then 'starting'
      when q.runner_labels is not null and not exists (select from runners r
          where not r.paused and q.in_cluster = (r.kind = 'cluster')
            and r.last_seen_at > clock_timestamp() - make_interval(secs => ${RUNNER_LEASE_SECONDS})
            and q.runner_labels <@ r.labels and q.network = any(r.networks)
            and (r.org_id is null or r.org_id = q.org_id)) then 'no_runner'
      when coalesce(taken.slots, 0) >= o.max_concurrent_agents then 'quota'
      when q.runner_labels is not null and ${sql.raw(awaitedByRunner("q"))} is not true
        then 'runners_busy'
      else 'starting' end as reason
    from runs q
      join organizations o on o.id = q.org_id
      join agents a on a.id = q.agent_id
      join projects p on p.id = a.project_id
      left join nodes n on n.id = p.home_node
      left join busy on busy.agent_id = q.agent_id
      left join taken on taken.org_id = q.org_id
    where q.status = 'queued'
  ) waiting group by reason`;

interface RunGaugesInput {
  nodeId: string;
  /** Whether this process starts queued runs; false while it stops. */
  accepts: () => boolean;
  /** Whether the logs of ended runs are moved to the object storage. */
  movesLogs: boolean;
}

/** The gauges of queued runs, and of logs that the object storage did not take. */
export function runGauges({ nodeId, accepts, movesLogs }: RunGaugesInput): DatabaseGauge[] {
  return [
    {
      name: "omoi_run_queue_oldest_seconds",
      help: "Age of the oldest queued run by the reason why it waits; 0 without one.",
      labels: ["reason"],
      query: async (tx) =>
        withZeros(waitReasons, await valuesOf(tx, oldestByReason(accepts() ? null : nodeId))),
    },
    {
      name: "omoi_failing_log_uploads",
      help: "Logs of ended runs whose last upload to the object storage failed.",
      labels: [],
      query: async (tx) =>
        movesLogs
          ? valuesOf(
              tx,
              sql`select count(*)::float8 as value from log_objects
                where state = 'uploading' and (lease_until is null or lease_until < clock_timestamp())`,
            )
          : [[[], 0]],
    },
  ];
}
