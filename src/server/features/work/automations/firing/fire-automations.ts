import { readHome } from "../../../../cluster/home-of.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import { listListening, type AutomationRow } from "../automations.queries.js";
import {
  claimed,
  findFiring,
  findFiringOfEvent,
  insertFiring,
  type FiringRow,
} from "../firings.queries.js";
import { holds } from "../values.js";
import { fire } from "./fire.js";
import { valuesOf, type AutomationDeps } from "./prepare.js";

export interface AutomationEvent {
  /** Fires an automation once, however often it is given. */
  id: string;
  /** One of `forgeEvents` or `productEvents`, `schedule`, `webhook` or `manual`. */
  type: string;
  org_id: string;
  project_id: string;
  /** The task that the event belongs to; null without one. */
  task_id: string | null;
  /** Links of the chain of events before this one: the sixth link is refused. */
  chain: number;
  /** `untrusted` for the text of people without write access. */
  trust: "trusted" | "untrusted";
  /** What texts and filters see as `event`: `issue`, `comment`, `pull_request`, `check` and others. */
  values: Record<string, unknown>;
  /** Who caused it, for the list of firings. */
  by: string | null;
}

export interface FiringResult {
  automation_id: string;
  /** Name of the automation. */
  automation: string;
  /** `queued`: its turn comes later, possibly on another server. */
  decision: "fired" | "queued" | "skipped" | "refused" | "failed";
  reason: string | null;
  task_id: string | null;
}

/**
 * Fires the automations that listen to an event and whose filter holds. Returns one result for each of them, and for an
 * event that was given before the results of then. A refusal is a result, not an error.
 */
export async function fireAutomations(
  deps: AutomationDeps,
  event: AutomationEvent,
): Promise<FiringResult[]> {
  const { matching, isHere } = await deps.db.tenant(event.org_id, async (tx) => ({
    matching: await listMatching(tx, deps, event),
    isHere: (await readHome(tx, event.project_id)) === deps.db.node.id,
  }));
  const results: FiringResult[] = [];
  for (const automation of matching) {
    const firing = await takeFiring(deps, automation, event, isHere);
    if (firing.isNew && isHere) await fire(deps, firing.row);
    results.push(await resultOf(deps, automation, firing.row.id));
  }
  return results;
}

/** Whether an automation listens to an event, and its filter holds. */
export async function isListenedTo(deps: AutomationDeps, event: AutomationEvent): Promise<boolean> {
  const matching = await deps.db.tenant(event.org_id, (tx) => listMatching(tx, deps, event));
  return matching.length > 0;
}

async function listMatching(
  tx: Queryable,
  deps: AutomationDeps,
  { project_id, type, by, trust, values, task_id: taskId }: AutomationEvent,
): Promise<AutomationRow[]> {
  const listening = await listListening(tx, project_id, type);
  const first = listening[0];
  if (first === undefined) return [];
  const seen = { type, by, at: new Date().toISOString(), trust, values, taskId };
  const known = await valuesOf(tx, deps, first, seen);
  return listening.filter(({ filter }) => holds(filter, known));
}

/** Adds the firing of an event, claimed by this server if it decides it; or finds the one that it has. */
async function takeFiring(
  { db }: AutomationDeps,
  automation: AutomationRow,
  event: AutomationEvent,
  isHere: boolean,
): Promise<{ row: FiringRow; isNew: boolean }> {
  const { id: event_id, type, org_id, project_id, task_id, chain, trust, values, by } = event;
  return db.tenant(org_id, async (tx) => {
    const isNew = await insertFiring(tx, {
      id: newId(),
      org_id,
      project_id,
      automation_id: automation.id,
      event_id,
      type,
      event: { trust, by, values },
      chain: chain + 1,
      event_task_id: task_id,
      ...(isHere && { claimed_until: claimed as never }),
    });
    const row = await findFiringOfEvent(tx, automation.id, event_id);
    if (!row) throw new Error("a firing was deleted with its automation");
    return { row, isNew };
  });
}

async function resultOf(
  { db }: AutomationDeps,
  { id, org_id, name }: AutomationRow,
  firingId: string,
): Promise<FiringResult> {
  const row = await db.tenant(org_id, (tx) => findFiring(tx, firingId));
  const decision = row?.decision ?? "skipped";
  return {
    automation_id: id,
    automation: name,
    decision: decision === "pending" || decision === "acting" ? "queued" : decision,
    reason: row === undefined ? "The automation was deleted meanwhile." : row.reason,
    task_id: row?.task_id ?? null,
  };
}
