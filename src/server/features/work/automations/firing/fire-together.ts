/** Fires many automations of an organization in few transactions: hundreds may be due in the same minute. */
import type { Queryable } from "../../../../db/connection/connect.js";
import type { AuditWriter } from "../../../../db/audit/audit.js";
import type { CallerContext } from "../../../../http/requests/request-context.js";
import { reserveTasks } from "../../tasks/index.js";
import { lockAutomations, setFired, type AutomationRow } from "../automations.queries.js";
import { readUses } from "../firing-use.queries.js";
import {
  decideAll,
  deleteFirings,
  lockOpenFirings,
  type FiringRow,
  type Outcome,
} from "../firings.queries.js";
import { planTask, presentOwner, type PlannedTask } from "./actions/create-task.js";
import { pausedMeanwhile } from "./actions/replacement.js";
import { fireWork } from "./fire.js";
import { judgeEvent } from "./outcomes.js";
import { paced } from "./paced.js";
import type { AutomationDeps } from "./prepare.js";
import { readWork, type Work } from "./read-work.js";
import { contextOfAutomation } from "./rules/acting-context.js";
import { judgeUse } from "./rules/judge.js";

/** Of all organizations of this process. */
const inTurn = paced();

/** A firing that is to create a task. */
interface Creation {
  work: Work;
  chain: number;
  task: PlannedTask;
}

/**
 * Decides firings of an organization that this server has claimed. Those that create tasks are judged and create them
 * in one transaction for each actor; the others follow one after another.
 */
export async function fireTogether(
  deps: AutomationDeps,
  orgId: string,
  firings: readonly FiringRow[],
): Promise<void> {
  if (firings.length === 0) return;
  const works = await deps.db.tenant(orgId, (tx) => readWork(tx, deps, firings));
  const alone: Work[] = [];
  const silent: (Outcome & { id: string })[] = [];
  const dropped: string[] = [];
  const creations = new Map<string, Creation[]>();
  for (const work of works) {
    const judged = judgeEvent(work);
    const { id } = work.firing;
    if (judged === null) dropped.push(id);
    else if ("decision" in judged) silent.push({ ...judged, id });
    else {
      const task = await planTask(deps, work).catch(() => null);
      if (task === null) alone.push(work);
      else {
        const actor = actorOf(work.automation);
        const others = creations.get(actor) ?? [];
        creations.set(actor, [...others, { work, chain: judged.chain, task }]);
      }
    }
  }
  if (silent.length > 0 || dropped.length > 0) {
    await deps.db.tenant(orgId, async (tx) => {
      await decideAll(tx, silent);
      await deleteFirings(tx, dropped);
    });
  }
  for (const group of creations.values()) alone.push(...(await createTogether(deps, group)));
  for (const work of alone) await fireWork(deps, work);
}

/** Automations that act alike: as the same account, within the same key. */
const actorOf = ({ service_account_id, owner_id, origin }: AutomationRow): string =>
  JSON.stringify([service_account_id, owner_id, origin.actor?.key?.id ?? null]);

/**
 * Creates the tasks of automations with the same actor. Returns those that must be fired alone: all after an error, for
 * which each has its own answer, and those that replace a task.
 */
async function createTogether(
  deps: AutomationDeps,
  group: readonly Creation[],
): Promise<readonly Work[]> {
  const [first] = group;
  if (first === undefined) return [];
  const works = group.map(({ work }) => work);
  if (group.length === 1) return works;
  try {
    const context = await contextOfAutomation(deps.runs, first.work.automation);
    const replacing = await inTurn(() =>
      context.change((tx, audit) => createAll(tx, audit, context, group)),
    );
    return works.filter(({ firing }) => replacing.has(firing.id));
  } catch (error) {
    deps.log.warn({ err: error }, "automations of an organization cannot fire together");
    return works;
  }
}

/** Judges the firings, creates the tasks of those that fire, and decides all. Returns the ids of the replacing ones. */
async function createAll(
  tx: Queryable,
  audit: AuditWriter,
  context: CallerContext,
  group: readonly Creation[],
): Promise<ReadonlySet<string>> {
  const ids = [...new Set(group.map(({ work }) => work.automation.id))];
  const automations = new Map((await lockAutomations(tx, ids)).map((row) => [row.id, row]));
  const open = await lockOpenFirings(
    tx,
    group.map(({ work }) => work.firing.id),
  );
  const uses = await readUses(tx, [...automations.values()]);
  const outcomes: (Outcome & { id: string })[] = [];
  const firing: Creation[] = [];
  const replacing = new Set<string>();
  for (const creation of group) {
    const { id, automation_id, type } = creation.work.firing;
    const automation = automations.get(automation_id);
    const use = uses.get(automation_id);
    if (!automation || !use || !open.has(id)) continue;
    if (automation.status !== "active" && type !== "manual") {
      outcomes.push({ ...pausedMeanwhile, id });
      continue;
    }
    const judged = judgeUse(automation, use);
    if (judged.decision === "replace") replacing.add(id);
    else if (judged.decision === "fired") {
      // The next firing of the automation in this group is judged with this one.
      use.firings += 1;
      use.under_way.push(id);
      firing.push(creation);
    } else {
      if (judged.decision === "queued") use.queued += 1;
      outcomes.push({ id, decision: judged.decision, reason: judged.reason });
    }
  }
  const [some] = group;
  const owner_id = some ? await presentOwner(tx, some.work.automation) : null;
  const tasks = firing.map(({ task }) => ({ ...task, owner_id }));
  const taskIds = await reserveTasks(tx, audit, context, tasks);
  firing.forEach(({ work, chain }, index) => {
    const task_id = taskIds[index] ?? null;
    outcomes.push({ id: work.firing.id, decision: "fired", reason: null, task_id, chain });
  });
  await decideAll(tx, outcomes);
  await setFired(
    tx,
    firing.map(({ work }) => work.automation.id),
  );
  return replacing;
}
