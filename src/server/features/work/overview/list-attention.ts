import { z } from "zod";
import { attentionItem, type AttentionItem } from "#shared/api/work/overview.js";
import { allows } from "../../../access/access.js";
import type { Database, Queryable } from "../../../db/connection/connect.js";
import { isoInstant } from "../../../db/tables/columns.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { listExpiringKeys } from "../../identity/api-keys/index.js";
import { listConflictingFiles } from "../../code/radar/index.js";
import { readUsage } from "../../organization/usage/index.js";
import { listAwaitingApproval } from "../../code/workspaces/index.js";
import * as queries from "./attention.queries.js";
import type { Which } from "./attention.queries.js";
import { isPerson } from "../../../access/authenticate.js";
import { listDismissed } from "./dismissals.queries.js";
import { compareWithBase, type WorkDeps } from "./list-work.js";
import { type TaskOfAgent, tasksOfAgents } from "./tasks-of-agents.queries.js";

/** Items of each type, the newest ones. More can be seen once these are done. */
const MAX_OF_TYPE = 200;
/** Time that a request waits for the changes of tasks; later ones are in the next answer. */
const COMPARE_MS = 500;

type TaskItem = Extract<AttentionItem, { type: "task" }>;
type OtherItem = Exclude<AttentionItem, TaskItem>;
/** An item without its task. */
type Bare<Item = OtherItem> = Item extends OtherItem
  ? Omit<Item, "urgency" | `task_${string}`>
  : never;

/** Items of tasks have the urgency of their tasks, on the same scale. */
const urgencies = {
  permission_request: 10,
  merge_request: 40,
  failed_run: 50,
  conflict: 60,
  budget: 70,
  api_key: 80,
} as const satisfies Record<OtherItem["type"], number>;

/**
 * Lists what waits for the caller and was not dismissed, the most urgent first, then the newest. Changes of tasks are
 * left out.
 */
export async function listAttention(db: Database, context: OrgContext): Promise<AttentionItem[]> {
  const { orgId, actor } = context;
  const except = await context.tx((tx) => listDismissed(tx, { orgId, userId: actor.userId }));
  const items = await readItems(db, context, { only: null, except });
  return items.toSorted(
    (a, b) => a.urgency - b.urgency || compare(b.at, a.at) || compare(a.key, b.key),
  );
}

/** Whether the item with a key waits for the caller, dismissed or not. */
export async function isPresent(db: Database, context: OrgContext, key: string): Promise<boolean> {
  const items = await readItems(db, context, { only: [key], except: [] });
  return items.length > 0;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Adds what the tasks in review would change. */
export async function withChanges(
  deps: WorkDeps,
  context: OrgContext,
  items: readonly AttentionItem[],
): Promise<AttentionItem[]> {
  const reviews = items.flatMap((item) =>
    item.type === "task" && item.kind === "review" && item.attempt_id !== null ? [item] : [],
  );
  if (reviews.length === 0 || !allows(context.access, "agent:workspace:read")) return [...items];
  const branches = await context.tx((tx) =>
    queries.branchesOfAttempts(
      tx,
      reviews.flatMap(({ attempt_id }) => attempt_id ?? []),
    ),
  );
  const elsewhere = await deps.otherNodes.homesOf(branches.map(({ project_id }) => project_id));
  const here = branches.filter(({ project_id }) => !elsewhere.has(project_id));
  const [compared, others] = await Promise.all([
    compareWithBase(deps, context.orgId, here, COMPARE_MS),
    changesElsewhere(deps, context, elsewhere),
  ]);
  return items.map((item) => {
    if (item.type !== "task" || item.kind !== "review") return item;
    const found = compared.get(item.agent_id ?? "");
    const changes = found
      ? { files: found.files, added: found.additions, removed: found.deletions }
      : (others.get(item.key) ?? null);
    return { ...item, changes };
  });
}

/** Returns the changes of tasks whose branches are on other nodes, by the items' keys. */
async function changesElsewhere(
  { otherNodes }: WorkDeps,
  context: OrgContext,
  homes: ReadonlyMap<string, string>,
): Promise<Map<string, NonNullable<TaskItem["changes"]>>> {
  const found = new Map<string, NonNullable<TaskItem["changes"]>>();
  for (const [home, answer] of await otherNodes.ask(context, homes.values())) {
    for (const item of z.array(attentionItem).safeParse(answer).data ?? []) {
      if (item.type !== "task" || item.changes === null) continue;
      if (homes.get(item.project_id ?? "") === home) found.set(item.key, item.changes);
    }
  }
  return found;
}

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
  const seesTasks = allows(access, "project:task:read");
  const budgets = { projects: allows(access, "project:read"), agents: seesAgents };
  const withOthers = allows(access, "org:apikeys:read");
  const expiring = await listExpiringKeys(db, orgId, actor, { withOthers, limit });
  return context.tx(async (tx) => {
    const items: Bare[] = [
      ...(seesAgents ? await agentItems(tx, orgId, which, limit) : []),
      ...(allows(access, "agent:workspace:read")
        ? typed("conflict", await listConflictingFiles(tx, orgId, which, limit))
        : []),
      ...(mayApprove
        ? typed("merge_request", await listAwaitingApproval(tx, orgId, actor.userId, which, limit))
        : []),
      ...typed("budget", await queries.listModelBudgets(tx, orgId, which, budgets, limit)),
      ...(actor.agent
        ? []
        : (await quotaItems(tx, orgId)).filter(({ key }) => isWanted(key, which))),
      ...expiring
        .filter(({ key }) => isWanted(key, which))
        .map(({ user_id, ...row }) => ({
          type: "api_key" as const,
          ...row,
          project_id: null,
          project_name: null,
          is_own: user_id === actor.userId,
        })),
    ];
    return [
      ...(seesTasks ? taskItems(await queries.listTasks(tx, orgId, which, limit)) : []),
      ...withTasks(items, seesTasks ? await tasksOfAgents(tx, agentsOf(items)) : new Map()),
    ];
  });
}

const agentsOf = (items: readonly Bare[]): string[] => [
  ...new Set(
    items.flatMap((item) => [
      ...(item.agent_id === null ? [] : [item.agent_id]),
      ...(item.type === "conflict" ? item.agents.map(({ agent_id }) => agent_id) : []),
    ]),
  ),
];

/** Adds the tasks of their agents. A task whose own merge conflicts is an item already. */
function withTasks(
  items: readonly Bare[],
  tasks: ReadonlyMap<string, TaskOfAgent>,
): AttentionItem[] {
  return items.flatMap((item) => {
    const task = tasks.get(item.agent_id ?? "");
    const whole = {
      ...item,
      ...(item.type === "conflict" && {
        agents: item.agents.map((agent) => {
          const own = tasks.get(agent.agent_id);
          return {
            ...agent,
            task_id: own?.task_id ?? null,
            task_number: own?.task_number ?? null,
            task_title: own?.task_title ?? null,
            task_owner_id: own?.task_owner_id ?? null,
          };
        }),
      }),
      task_id: task?.task_id ?? null,
      task_number: task?.task_number ?? null,
      task_title: task?.task_title ?? null,
      task_owner_id: task?.task_owner_id ?? null,
      task_owner_name: task?.task_owner_name ?? null,
      urgency: urgencies[item.type],
    } as AttentionItem;
    const isOfTask =
      item.type === "conflict" && item.agents.length === 1 && task?.attention_kind === "conflict";
    return isOfTask ? [] : [whole];
  });
}

function taskItems(rows: Awaited<ReturnType<typeof queries.listTasks>>): TaskItem[] {
  return rows.map(({ at, ...row }) => ({
    ...row,
    type: "task",
    at: isoInstant(at),
    changes: null,
  }));
}

async function agentItems(
  tx: Queryable,
  orgId: string,
  which: Which,
  limit: number,
): Promise<Bare[]> {
  return [
    ...typed("permission_request", await queries.listPermissionRequests(tx, orgId, which, limit)),
    ...typed("failed_run", await queries.listFailedRuns(tx, orgId, which, limit)),
  ];
}

const isWanted = (key: string, { only, except }: Which): boolean =>
  (only === null || only.includes(key)) && !except.includes(key);

/** The organization's quotas of runs. */
async function quotaItems(tx: Queryable, orgId: string): Promise<Bare[]> {
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
  const items: Bare[] = [];
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
function typed(type: OtherItem["type"], rows: readonly Record<string, unknown>[]): Bare[] {
  return rows.map(
    (row) =>
      ({
        ...row,
        type,
        at: isoInstant(row["at"] as Date),
        ...(row["resets_at"] != null && { resets_at: isoInstant(row["resets_at"] as Date) }),
      }) as unknown as Bare,
  );
}
