import { prepared, type Queryable } from "../../../db/connection/connect.js";

/** A budget of an agent, its project or its organization in the current UTC month, and its use. */
export interface Budget {
  owner: "agent" | "project" | "organization";
  max_model_cost_usd: number | null;
  max_model_tokens: number | null;
  cost_nanousd: number;
  tokens: number;
  /** What calls under way may use. */
  reserved_nanousd: number;
  reserved_tokens: number;
}

/** The budgets of a call. */
export interface CallBudgets {
  budgets: Budget[];
  /** Seconds until the next UTC month. */
  month_seconds: number;
}

/** The secret and the budgets of a call to a provider. */
export interface CallTerms extends CallBudgets {
  project_id: string;
  /** Patterns of the models that the organization allows; null for all. */
  allowed_models: string[] | null;
  /** Null without a secret of the provider. */
  secret: { owner_id: string; name: string; sealed: Buffer; base_url: string | null } | null;
}

/** The first instant of the current UTC month and the day, by the database's clock. */
const thisMonth = "date_trunc('month', now() at time zone 'UTC')::date";
const today = "(now() at time zone 'UTC')::date";

/** The budgets of an agent `a`, its project `p` and its organization `o`, and the rest of the month. */
const budgetColumns = `
    ceil(extract(epoch from date_trunc('month', now() at time zone 'UTC') + interval '1 month'
      - now() at time zone 'UTC'))::int as month_seconds,
    (select coalesce(json_agg(json_build_object('owner', b.owner,
        'max_model_cost_usd', b.max_cost, 'max_model_tokens', b.max_tokens,
        'cost_nanousd', coalesce(m.cost_nanousd, 0), 'tokens', coalesce(m.tokens, 0),
        'reserved_nanousd', r.cost_nanousd, 'reserved_tokens', r.tokens)), '[]')
      from (values ('agent', a.id, a.max_model_cost_usd, a.max_model_tokens),
        ('project', p.id, p.max_model_cost_usd, p.max_model_tokens),
        ('organization', o.id, o.max_model_cost_usd, o.max_model_tokens)
      ) as b (owner, id, max_cost, max_tokens)
      left join model_spending m on m.owner_id = b.id and m.month = ${thisMonth}
      cross join lateral (
        select coalesce(sum(tokens), 0) as tokens, coalesce(sum(cost_nanousd), 0) as cost_nanousd
        from model_reservations
        where org_id = a.org_id and b.id in (org_id, project_id, agent_id) and expires_at > now()
      ) r
      where b.max_cost is not null or b.max_tokens is not null) as budgets`;
const ofAgent =
  "agents a join projects p on p.id = a.project_id join organizations o on o.id = a.org_id";

const termsText = `
  select a.project_id, o.allowed_models, s.owner_id, s.name, s.sealed, s.base_url, ${budgetColumns}
  from ${ofAgent}
  left join lateral (
    select owner_id, name, sealed, base_url from secrets
    where owner_id in (a.project_id, a.org_id) and provider = $2
    order by project_id nulls last limit 1
  ) s on true
  where a.id = $1`;

type TermsRow = Omit<CallTerms, "secret"> & {
  [Key in keyof NonNullable<CallTerms["secret"]>]: NonNullable<CallTerms["secret"]>[Key] | null;
};

/** Returns undefined for a deleted agent. */
export async function readTerms(
  tx: Queryable,
  agentId: string,
  provider: string,
): Promise<CallTerms | undefined> {
  const values = [agentId, provider];
  const [row] = await prepared<TermsRow>(tx, "read the terms of a model call", termsText, values);
  if (!row) return undefined;
  const { owner_id, name, sealed, base_url, ...terms } = row;
  const hasSecret = owner_id !== null && name !== null && sealed !== null;
  return { ...terms, secret: hasSecret ? { owner_id, name, sealed, base_url } : null };
}

/** What a call may use, which its budgets hold back until its end. */
export interface NewReservation {
  id: string;
  org_id: string;
  project_id: string;
  agent_id: string;
  tokens: number;
  cost_nanousd: number;
}

/**
 * A reservation holds as long as its process renews it. One that lapsed in a longer pause of the process holds again
 * when it is renewed, so it is deleted much later.
 */
const RESERVED = "interval '2 minutes'";
const LAPSED = "interval '1 hour'";

/** Begins a decision about the budgets of an organization: no other reserves until the transaction ends. */
export async function lockBudgets(tx: Queryable, orgId: string): Promise<void> {
  const text = "select pg_advisory_xact_lock(hashtextextended('model budgets ' || $1::text, 0))";
  await prepared(tx, "lock model budgets", text, [orgId]);
}

/** Returns undefined for a deleted agent. */
export async function readBudgets(
  tx: Queryable,
  agentId: string,
): Promise<CallBudgets | undefined> {
  const text = `select ${budgetColumns} from ${ofAgent} where a.id = $1`;
  const [row] = await prepared<CallBudgets>(tx, "read model budgets", text, [agentId]);
  return row;
}

export async function insertReservation(tx: Queryable, made: NewReservation): Promise<void> {
  const { id, org_id, project_id, agent_id, tokens, cost_nanousd } = made;
  const text = `
    with lapsed as (
      delete from model_reservations where org_id = $2 and expires_at < now() - ${LAPSED}
    )
    insert into model_reservations (id, org_id, project_id, agent_id, tokens, cost_nanousd, expires_at)
    values ($1, $2, $3, $4, $5, $6, now() + ${RESERVED})`;
  const values = [id, org_id, project_id, agent_id, tokens, cost_nanousd];
  await prepared(tx, "reserve for a model call", text, values);
}

export async function renewReservations(tx: Queryable, ids: readonly string[]): Promise<void> {
  const text = `update model_reservations set expires_at = now() + ${RESERVED} where id = any($1::uuid[])`;
  await prepared(tx, "renew reservations of model calls", text, [ids]);
}

export async function deleteReservation(tx: Queryable, id: string): Promise<void> {
  const text = "delete from model_reservations where id = $1";
  await prepared(tx, "delete the reservation of a model call", text, [id]);
}

/** Models of a run on a day that are listed by name; a provider answers any name. */
const MAX_MODELS = 200;

/** The use of one call. */
export interface CallUsage {
  run_id: string;
  agent_id: string;
  project_id: string;
  provider: string;
  model: string;
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  /** Null for a model without a price. */
  cost_nanousd: number | null;
  /** What its budgets count: what is known, or what was reserved. */
  spent_tokens: number;
  spent_nanousd: number;
  /** Ends with the record; null without a budget. */
  reservation_id: string | null;
}

const recordText = `
  with calls as materialized (
    select * from jsonb_to_recordset($2::jsonb) as c (run_id uuid, agent_id uuid, project_id uuid,
      provider text, model text, input_tokens bigint, output_tokens bigint, cache_read_tokens bigint,
      cache_write_tokens bigint, cost_nanousd bigint, spent_tokens bigint, spent_nanousd bigint,
      reservation_id uuid)
  ),
  ended as (
    delete from model_reservations where id in (select c.reservation_id from calls c)
  ),
  named as (
    select c.*, case when c.rank <= ${MAX_MODELS} or exists (select from model_usage m
      where m.run_id = c.run_id and m.provider = c.provider and m.model = c.model and m.day = ${today})
      then c.model else 'other' end as name
    from (
      select c.*, (select count(*) from model_usage m where m.run_id = c.run_id and m.day = ${today})
        + dense_rank() over (partition by c.run_id order by c.provider, c.model) as rank
      from calls c
    ) c
  ),
  used as (
    insert into model_usage as u (org_id, run_id, provider, model, day, requests, input_tokens,
      output_tokens, cache_read_tokens, cache_write_tokens, cost_nanousd, unpriced_requests)
    select $1::uuid, c.run_id, c.provider, c.name, ${today}, count(*), sum(c.input_tokens),
      sum(c.output_tokens), sum(c.cache_read_tokens), sum(c.cache_write_tokens),
      coalesce(sum(c.cost_nanousd), 0), count(*) filter (where c.cost_nanousd is null)
    from named c join runs r on r.id = c.run_id
    group by c.run_id, c.provider, c.name order by c.run_id, c.provider, c.name
    on conflict (run_id, provider, model, day) do update set
      requests = u.requests + excluded.requests,
      input_tokens = u.input_tokens + excluded.input_tokens,
      output_tokens = u.output_tokens + excluded.output_tokens,
      cache_read_tokens = u.cache_read_tokens + excluded.cache_read_tokens,
      cache_write_tokens = u.cache_write_tokens + excluded.cache_write_tokens,
      cost_nanousd = u.cost_nanousd + excluded.cost_nanousd,
      unpriced_requests = u.unpriced_requests + excluded.unpriced_requests
  )
  insert into model_spending as m (org_id, owner_id, month, tokens, cost_nanousd)
  select o.id, s.owner_id, ${thisMonth}, sum(s.tokens), sum(s.cost)
  from organizations o cross join (
    select unnest(array[$1::uuid, c.project_id, c.agent_id]) as owner_id,
      c.spent_tokens as tokens, c.spent_nanousd as cost
    from calls c) s
  where o.id = $1::uuid
  group by o.id, s.owner_id order by s.owner_id
  on conflict (owner_id, month) do update set
    tokens = m.tokens + excluded.tokens, cost_nanousd = m.cost_nanousd + excluded.cost_nanousd`;

/** Adds calls to the use of their runs and to the spending. Deleted runs and organizations are left out. */
export async function recordCalls(
  tx: Queryable,
  orgId: string,
  calls: readonly CallUsage[],
): Promise<void> {
  await prepared(tx, "record model calls", recordText, [orgId, JSON.stringify(calls)]);
}
