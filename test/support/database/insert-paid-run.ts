import { v7 } from "uuid";
import type { TestApp } from "../server/app.js";
import { queryAsOwner } from "./queries.js";

export interface PaidRun {
  agentId: string;
  /** RFC 3339; the calls to models are of its day. */
  from: string;
  to: string;
  startedBy: { type: "user" | "agent" | "service_account"; id: string; name: string } | null;
  costUsd: number;
  tokens?: number;
  unpriced?: number;
}

/** Inserts an ended run with calls to a model as the owner of the database. Returns its id. */
export async function insertPaidRun(
  app: Pick<TestApp, "owner">,
  { agentId, from, to, startedBy, costUsd, tokens = 1000, unpriced = 0 }: PaidRun,
): Promise<string> {
  const id = v7({ msecs: Date.parse(from) });
  await queryAsOwner(
    app,
    `insert into runs (id, org_id, agent_id, kind, status, started_at, ended_at, started_by)
     select $1, org_id, id, 'leased', 'succeeded', $3, $4, $5::jsonb from agents where id = $2`,
    [id, agentId, from, to, startedBy && JSON.stringify(startedBy)],
  );
  await queryAsOwner(
    app,
    `insert into model_usage select org_id, id, 'anthropic', 'claude', (started_at at time zone 'UTC')::date,
       2, $2::bigint - 10, 4, 3, 3, $3, $4 from runs where id = $1`,
    [id, tokens, Math.round(costUsd * 1e9), unpriced],
  );
  await queryAsOwner(
    app,
    `update organizations set created_at = least(created_at, $2::timestamptz)
     where id = (select org_id from agents where id = $1)`,
    [agentId, from],
  );
  return id;
}
