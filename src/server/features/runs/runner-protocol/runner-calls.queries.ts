import { sql } from "drizzle-orm";
import type { OfferRequest } from "#shared/runner/protocol.js";
import { queueOf } from "../runs.queries.js";
import { prepared, type Queryable } from "../../../db/connection/connect.js";

/** The runner that sent a request. */
export interface CallingRunner extends Record<string, unknown> {
  id: string;
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
    `select id, last_seen_at is null
       or last_seen_at < clock_timestamp() - make_interval(secs => ${SEEN_SECONDS}) as is_stale
     from runners where token_hash = $1`,
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

/**
 * Offers queued runs to a runner: those that it can take, of idle agents, for which their organization has free slots,
 * the organization with the fewest runs first. A run that another runner has been offered is left out. Concurrent
 * requests get different runs.
 */
export async function offerRuns(tx: Queryable, id: string, free: number): Promise<string[]> {
  const { rows } = await tx.execute<{ id: string; place: string }>(sql`
    with me as materialized (
      select * from runners where id = ${id} and not paused
    ), candidates as materialized (
      select r.id, r.org_id, r.agent_id from runs r cross join me
      join agents a on a.id = r.agent_id
      join projects p on p.id = a.project_id
      join nodes n on n.id = p.home_node
      where r.status = 'queued' and r.runner_labels is not null
        and r.runner_labels <@ me.labels and r.network = any(me.networks)
        and (me.org_id is null or me.org_id = r.org_id)
        and (r.runner_id is null or r.runner_id = me.id or r.offered_until <= now())
        and (n.url is null or n.lease_until > clock_timestamp())
        and not exists (select from runs b
          where b.agent_id = r.agent_id and b.status = 'running' and b.kind <> 'check')
    ), asking as materialized (
      select o.id, o.max_concurrent_agents as slots,
        (select count(*) from runs b where b.org_id = o.id and b.status = 'running'
          and b.kind in ('managed', 'leased')) as running,
        (select count(*) from runs b where b.org_id = o.id and b.status = 'queued'
          and b.offered_until > now() and b.runner_id <> ${id}) as offered
      from organizations o where o.id in (select org_id from candidates)
    ), first_of_agents as (
      select c.id, c.org_id, q.position,
        row_number() over (partition by c.agent_id order by q.position) as turn
      from asking cross join lateral (${queueOf("asking.id")}) q
      join candidates c on c.id = q.id
    ), ranked as (
      select f.id, o.running, o.slots - o.running - o.offered as free,
        row_number() over (partition by f.org_id order by f.position) as turn
      from first_of_agents f join asking o on o.id = f.org_id where f.turn = 1
    ), picked as (
      select r.id, ranked.running + ranked.turn as place from runs r join ranked on ranked.id = r.id
      where ranked.turn <= ranked.free and r.status = 'queued'
        and (r.runner_id is null or r.runner_id = ${id} or r.offered_until <= now())
      order by place, r.created_at, r.id limit ${free} for update of r skip locked
    )
    update runs set runner_id = ${id}, offered_until = now() + make_interval(secs => ${OFFER_SECONDS})
    from picked where picked.id = runs.id
    returning runs.id, picked.place`);
  return rows
    .toSorted(
      (one, other) => Number(one.place) - Number(other.place) || (one.id < other.id ? -1 : 1),
    )
    .map((row) => row.id);
}
