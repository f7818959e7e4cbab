import { v7 } from "uuid";
import type { TestApp } from "../server/app.js";
import { queryAsOwner } from "./queries.js";

export interface PastRun {
  agentId: string;
  /** RFC 3339. */
  from: string;
  /** Null while it is running. */
  to: string | null;
  status?: "stopped" | "lost" | "succeeded";
}

/**
 * Inserts past runs as the owner of the database, since the API starts runs only now. Backdates the
 * organization accordingly.
 */
export async function insertPastRuns(
  app: Pick<TestApp, "owner">,
  orgId: string,
  runs: readonly PastRun[],
): Promise<void> {
  await queryAsOwner(
    app,
    `insert into runs (id, org_id, agent_id, kind, status, started_at, ended_at, last_heartbeat_at, lease_expires_at)
     select id, $1, agent_id, 'leased', status, started_at, ended_at, coalesce(ended_at, now()),
       case when ended_at is null then now() + interval '1 hour' end
     from unnest($2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[])
       as run (id, agent_id, status, started_at, ended_at)`,
    [
      orgId,
      // Ids are ordered by time.
      runs.map(({ from }) => v7({ msecs: Date.parse(from) })),
      runs.map(({ agentId }) => agentId),
      runs.map(({ to, status }) => (to === null ? "running" : (status ?? "stopped"))),
      runs.map(({ from }) => from),
      runs.map(({ to }) => to),
    ],
  );
  await queryAsOwner(
    app,
    `update organizations set created_at = least(created_at,
       (select min(started_at) from runs where org_id = $1)) where id = $1`,
    [orgId],
  );
}

/**
 * Uses up hours of the current month, in the middle of it: hours before now may belong to the previous
 * one.
 */
export async function spendHours(
  app: Pick<TestApp, "owner">,
  agentId: string,
  hours: number,
): Promise<void> {
  await queryAsOwner(
    app,
    `insert into runs (id, org_id, agent_id, kind, status, started_at, ended_at)
     select gen_random_uuid(), org_id, id, 'leased', 'succeeded', middle, middle + make_interval(secs => $2::float8 * 3600)
     from agents, (select (date_trunc('month', now() at time zone 'UTC') + interval '14 days')
       at time zone 'UTC' as middle) month where id = $1`,
    [agentId, hours],
  );
}
