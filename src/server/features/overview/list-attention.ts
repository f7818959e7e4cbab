import type { AttentionItem } from "#shared/api/organizations/overview.js";
import { allows } from "../../access/access.js";
import type { Database, Queryable } from "../../db/connection/connect.js";
import { isoInstant } from "../../db/tables/columns.js";
import type { OrgContext } from "../../http/requests/request-context.js";
import { listExpiringKeys } from "../api-keys/index.js";
import { listPredictedConflicts } from "../radar/index.js";
import { readUsage } from "../usage/index.js";
import { listAwaitingApproval } from "../workspaces/index.js";
import * as queries from "./attention.queries.js";
import type { Which } from "./attention.queries.js";
import { isPerson } from "../../access/authenticate.js";
import { listDismissed } from "./dismissals.queries.js";

/** Items of each type, the newest ones. More can be seen once these are done. */
const MAX_OF_TYPE = 200;

/** Lists what waits for the caller and was not dismissed, newest first. */
export async function listAttention(db: Database, context: OrgContext): Promise<AttentionItem[]> {
  const { orgId, actor } = context;
  const except = await context.tx((tx) => listDismissed(tx, { orgId, userId: actor.userId }));
  const items = await readItems(db, context, { only: null, except });
  return items.toSorted((one, other) => compare(other.at, one.at) || compare(one.key, other.key));
}

/** Whether the item with a key waits for the caller, dismissed or not. */
export async function isPresent(db: Database, context: OrgContext, key: string): Promise<boolean> {
  const items = await readItems(db, context, { only: [key], except: [] });
  return items.length > 0;
}

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

/** Reads the items that the caller may see; an agent sees its own. */
async function readItems(
  db: Database,
  context: OrgContext,
  keys: Omit<Which, "agentId">,
): Promise<AttentionItem[]> {
  const { access, actor, orgId } = context;
  const which: Which = { ...keys, agentId: actor.agent?.id ?? null };
  const limit = MAX_OF_TYPE;
  const mayApprove = isPerson(actor) && allows(access, "agent:workspace:read");
  const seesAgents = allows(access, "agent:read");
  const budgets = { projects: allows(access, "project:read"), agents: seesAgents };
  const items = await context.tx(async (tx) => [
    ...(seesAgents ? await agentItems(tx, orgId, which, limit) : []),
    ...(allows(access, "agent:workspace:read")
      ? typed("conflict", await listPredictedConflicts(tx, orgId, which, limit))
      : []),
    ...(mayApprove
      ? typed("merge_request", await listAwaitingApproval(tx, orgId, actor.userId, which, limit))
      : []),
    ...typed("budget", await queries.listModelBudgets(tx, orgId, which, budgets, limit)),
    ...(actor.agent ? [] : (await quotaItems(tx, orgId)).filter(({ key }) => isWanted(key, which))),
  ]);
  const withOthers = allows(access, "org:apikeys:read");
  const expiring = await listExpiringKeys(db, orgId, actor, { withOthers, limit: MAX_OF_TYPE });
  const wanted = expiring.filter(({ key }) => isWanted(key, which));
  return [
    ...items,
    ...wanted.map(({ user_id, ...row }) => ({
      type: "api_key" as const,
      ...row,
      project_id: null,
      project_name: null,
      is_own: user_id === actor.userId,
    })),
  ];
}

async function agentItems(
  tx: Queryable,
  orgId: string,
  which: Which,
  limit: number,
): Promise<AttentionItem[]> {
  return [
    ...typed("permission_request", await queries.listPermissionRequests(tx, orgId, which, limit)),
    ...typed("failed_run", await queries.listFailedRuns(tx, orgId, which, limit)),
  ];
}

const isWanted = (key: string, { only, except }: Which): boolean =>
  (only === null || only.includes(key)) && !except.includes(key);

/** The organization's quotas of runs. */
async function quotaItems(tx: Queryable, orgId: string): Promise<AttentionItem[]> {
  const usage = await readUsage(tx, orgId);
  if (!usage) return [];
  const { runtime_hours: hours, concurrent_agents: agents, period_start, period_end } = usage;
  const common = {
    type: "budget",
    project_id: null,
    project_name: null,
    agent_id: null,
    agent_name: null,
    owner: "organization",
  } as const;
  const items: AttentionItem[] = [];
  if (hours.limit > 0 && hours.current >= hours.limit * queries.NEARLY) {
    const step = hours.current >= hours.limit ? 100 : 80;
    items.push({
      ...common,
      key: ["budget", "runtime_hours", orgId, period_start.slice(0, 7), hours.limit, step].join(
        ":",
      ),
      at: period_start,
      kind: "runtime_hours",
      used: hours.current,
      limit: hours.limit,
      resets_at: period_end,
    });
  }
  const since = agents.current >= agents.limit ? await queries.waitingSince(tx, orgId) : null;
  if (since !== null) {
    const at = isoInstant(since);
    items.push({
      ...common,
      key: ["budget", "concurrent_agents", orgId, agents.limit, at.slice(0, 10)].join(":"),
      at,
      kind: "concurrent_agents",
      used: agents.current,
      limit: agents.limit,
      resets_at: null,
    });
  }
  return items;
}

/** Rows as items of a type, with times as the API tells them. */
function typed(
  type: AttentionItem["type"],
  rows: readonly Record<string, unknown>[],
): AttentionItem[] {
  return rows.map(
    (row) =>
      ({
        ...row,
        type,
        at: isoInstant(row["at"] as Date),
        ...(row["resets_at"] != null && { resets_at: isoInstant(row["resets_at"] as Date) }),
      }) as unknown as AttentionItem,
  );
}
