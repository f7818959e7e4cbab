import { sql } from "drizzle-orm";
import type { OfferRequest } from "#shared/execution/runner/protocol.js";
import { queueTextOf } from "../runs.queries.js";
import { prepared, type Queryable } from "../../../../db/connection/connect.js";

/** The runner that sent a request. */
export interface CallingRunner extends Record<string, unknown> {
  id: string;
  /** The only run that the token opens: that of a Job in the cluster; null for the token of a runner. */
  run_id: string | null;
  /** Whether its last request was not recorded recently. */
  is_stale: boolean;
}

/** Seconds between records of a runner's last request. */
const SEEN_SECONDS = 10;
/** Seconds that a runner has to start a run that it was offered. */
const OFFER_SECONDS = 30;

/** Requires a system transaction, like all of these. */
export async function findRunnerByToken(
  tx: Queryable,
  hash: Buffer,
): Promise<CallingRunner | undefined> {
  const [row] = await prepared<CallingRunner>(
    tx,
    "find a runner by its token",
    `select id, null::uuid as run_id, last_seen_at is null
       or last_seen_at < clock_timestamp() - make_interval(secs => ${SEEN_SECONDS}) as is_stale
     from runners where token_hash = $1
     union all
     select runner_id, id, false from runs where job_token_hash = $1 and runner_id is not null`,
    [hash],
  );
  return row;
}

export async function recordSeen(tx: Queryable, id: string): Promise<void> {
  await tx.execute(sql`update runners set last_seen_at = clock_timestamp() where id = ${id}`);
}

const texts = (values: readonly string[]) => sql`${sql.param([...values])}::text[]`;

/** Records how a runner describes itself, if that has changed. */
export async function recordDescription(
  tx: Queryable,
  id: string,
  { labels, networks, slots, version, host }: OfferRequest,
): Promise<void> {
  await tx.execute(sql`
    update runners set labels = ${texts(labels)}, networks = ${texts(networks)}, slots = ${slots},
      version = ${version}, host = ${host}, last_seen_at = clock_timestamp()
    where id = ${id} and (labels, networks, slots, version, host) is distinct from
      (${texts(labels)}, ${texts(networks)}, ${slots}::integer, ${version}, ${host})`);
}

/** Records until when a runner waits for runs; null when it no longer does. */
export async function recordWaiting(
  tx: Queryable,
  id: string,
  seconds: number | null,
): Promise<void> {
  const until = seconds === null ? sql`null` : sql`now() + make_interval(secs => ${seconds})`;
  await tx.execute(sql`
    update runners set waiting_until = ${until}
    where id = ${id} and (waiting_until is not null or ${seconds !== null})`);
}

/** Organizations that are considered beside one for each run, in case other requests take theirs. */
const SPARE_ORGANIZATIONS = 3;

/**
 * Whether no other runner holds the offer of a run. The cluster, which has minutes for a start, is not offered a run
 * again.
 */
const isUnclaimed = (isOwn: string): string =>
  `(r.runner_id is null or (${isOwn} and not r.in_cluster) or r.offered_until <= now())`;

/**
 * Whether a queued run `r` can be offered to the runner `me` now. With `offset 0`, the subqueries are asked for each
 * run: as joins, they would begin with the runs of all organizations.
 */
const IS_FREE = `r.status = 'queued' and r.runner_labels is not null
  and r.in_cluster = (me.kind = 'cluster')
  and r.runner_labels <@ me.labels and r.network = any(me.networks)
  and ${isUnclaimed("r.runner_id = me.id")}
  and not exists (select from runs b
    where b.agent_id = r.agent_id and b.status = 'running' and b.kind not in ('check', 'review') offset 0)
  and exists (select from nodes n where (n.url is null or n.lease_until > clock_timestamp())
    and n.id = (select p.home_node from projects p
      where p.id = (select a.project_id from agents a where a.id = r.agent_id)) offset 0)`;

/** Organizations with waiting runs that one statement compares. */
const COMPARED_ORGANIZATIONS = 16;

/** The organizations of waiting runs from `$3` on, by steps of the index: the next one, whatever the length of the queue. */
const waitingWhere = (condition: string): string => `
    (select r.org_id from runs r where exists (select from me where me.org_id is null)
      and r.status = 'queued' and r.runner_labels is not null and ${condition}
      order by r.org_id limit 1)
    union all
    select (select r.org_id from runs r where r.status = 'queued' and r.runner_labels is not null
      and r.org_id > w.org_id and ${condition} order by r.org_id limit 1)
    from`;

/**
 * `$1` is the runner, `$2` the number of runs, and `$3` the organization after which the comparison begins, which goes
 * on from the first one. Of those compared, the queues of a few are read: those with the fewest runs.
 */
const OFFER_RUNS = `
  with recursive me as materialized (
    select * from runners where id = $1::uuid and not paused
  ), behind (org_id) as (${waitingWhere("r.org_id > $3::uuid")} behind w where w.org_id is not null
  ), before (org_id) as (${waitingWhere("r.org_id <= $3::uuid")} before w where w.org_id is not null
  ), waiting as materialized (
    select w.org_id, row_number() over () as nth from (
      select org_id from me union all select org_id from behind union all select org_id from before
    ) w where w.org_id is not null limit ${COMPARED_ORGANIZATIONS}
  ), asking as materialized (
    select o.id, o.slots, o.running, f.offered
    from me cross join lateral (
      select o.id, o.max_concurrent_agents as slots,
        (select count(*) from runs b where b.org_id = o.id and b.status = 'running'
          and b.kind in ('managed', 'leased')) as running
      from waiting w join organizations o on o.id = w.org_id
      where me.org_id is null or me.org_id = o.id
      order by running, o.id offset 0
    ) o cross join lateral (
      select count(*) as offered from runs b where b.org_id = o.id and b.status = 'queued'
        and b.runner_labels is not null and b.runner_id is not null and b.offered_until > now()
        and (b.runner_id <> me.id or b.in_cluster)
    ) f
    where o.running + f.offered < o.slots
      and exists (select from runs r where r.org_id = o.id and ${IS_FREE})
    limit $2::int + ${SPARE_ORGANIZATIONS}
  ), queue as materialized (
    select q.id, asking.id as org_id, q.position from asking cross join lateral (${queueTextOf("asking.id")}) q
  ), first_of_agents as (
    select r.id, r.org_id, q.position,
      row_number() over (partition by r.agent_id order by q.position) as turn
    from me cross join queue q cross join lateral (
      select r.id, r.org_id, r.agent_id from runs r
      where r.id = q.id and r.org_id = q.org_id and ${IS_FREE} offset 0
    ) r
  ), ranked as (
    select f.id, o.running, o.slots - o.running - o.offered as free,
      row_number() over (partition by f.org_id order by f.position) as turn
    from first_of_agents f join asking o on o.id = f.org_id where f.turn = 1
  ), picked as (
    select r.id, ranked.running + ranked.turn as place from runs r join ranked on ranked.id = r.id
    where ranked.turn <= ranked.free and r.status = 'queued'
      and ${isUnclaimed("r.runner_id = $1::uuid")}
    order by place, r.created_at, r.id limit $2::int for update of r skip locked
  ), offered as (
    update runs set runner_id = $1::uuid, offered_until = now() + make_interval(secs => ${OFFER_SECONDS})
    from picked where picked.id = runs.id
    returning runs.id, picked.place
  )
  select offered.id, offered.place, compared.number::int, compared.last
  from (select count(*) as number, (array_agg(org_id order by nth desc))[1] as last from waiting) compared
    left join offered on true`;

interface OfferRow extends Record<string, unknown> {
  /** Null without an offer. */
  id: string | null;
  place: string | null;
  /** How many organizations were compared, and the last one. */
  number: number;
  last: string | null;
}

/** Statements of one request for runs; the next request goes on from there. */
const MAX_COMPARISONS = 8;

const NIL = "00000000-0000-0000-0000-000000000000";
/** The last organization that was compared for each runner, in this process: the next comparison begins after it. */
const compared = new Map<string, string>();
const MAX_REMEMBERED = 10_000;

function remember(runnerId: string, last: string): void {
  compared.delete(runnerId);
  compared.set(runnerId, last);
  const [oldest = ""] = compared.keys();
  if (compared.size > MAX_REMEMBERED) compared.delete(oldest);
}

/**
 * Offers queued runs to a runner: those that it can take, of idle agents, for which their organization has free slots,
 * the organization with the fewest runs first. A run that another runner has been offered is left out. Concurrent
 * requests get different runs. If many organizations wait, some of them are compared, in turn: the work depends neither
 * on their number nor on their queues.
 */
export async function offerRuns(tx: Queryable, id: string, free: number): Promise<string[]> {
  const start = compared.get(id) ?? NIL;
  let isAround = false;
  for (let from = start, count = 0; count < MAX_COMPARISONS; count += 1) {
    const values = [id, free, from];
    const rows = await prepared<OfferRow>(tx, "offer runs", OFFER_RUNS, values);
    const offered = rows.flatMap((row) => (row.id === null ? [] : [{ ...row, id: row.id }]));
    const [{ number, last } = { number: 0, last: null }] = rows;
    const hasMore = last !== null && number === COMPARED_ORGANIZATIONS;
    if (hasMore) remember(id, last);
    if (offered.length > 0) {
      return offered
        .toSorted((a, b) => Number(a.place) - Number(b.place) || (a.id < b.id ? -1 : 1))
        .map((row) => row.id);
    }
    if (!hasMore || (isAround && last <= from)) return [];
    isAround ||= last <= from;
    if (isAround && last >= start) return [];
    from = last;
  }
  return [];
}
