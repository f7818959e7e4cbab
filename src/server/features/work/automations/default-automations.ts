import type { NewAutomation } from "#shared/api/work/automations.js";
import { originOf, type AuditWriter } from "../../../db/audit/audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { newId } from "../../../db/tables/columns.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import { insertAutomation, listNames } from "./automations.queries.js";
import { eventTypesOf } from "./automations.js";
import { targetOf } from "./firing/rules/pause.js";

type Template = Pick<NewAutomation, "name" | "triggers" | "filter" | "action">;

const ISSUE =
  "Work on issue #{{event.issue.number}} ({{event.issue.url}}) by {{event.issue.author}}.\n\n{{event.issue.title}}\n\n{{event.issue.body}}";
const issueTask = { type: "create_task", title: "{{event.issue.title}}", body: ISSUE } as const;

/**
 * What the forge of a project starts until members decide otherwise. A comment is an event if it names the connection.
 * @param account the login that issues can be assigned to; null without one
 */
const defaultsFor = (account: string | null): readonly Template[] => [
  {
    name: "Start a task from an issue labeled omoi",
    triggers: [{ type: "forge", events: ["issue.labeled"] }],
    filter: [{ path: "event.label", is: "omoi" }],
    action: issueTask,
  },
  ...(account === null
    ? []
    : [
        {
          name: `Start a task from an issue assigned to ${account}`,
          triggers: [{ type: "forge" as const, events: ["issue.assigned" as const] }],
          filter: [{ path: "event.assignee", is: account }],
          action: issueTask,
        },
      ]),
  {
    name: "Start a task from a mention",
    triggers: [{ type: "forge", events: ["issue.commented"] }],
    filter: [{ path: "task.number", is: "" }],
    action: {
      ...issueTask,
      body: `${ISSUE}\n\n{{event.comment.author}} wrote in {{event.comment.url}}:\n\n{{event.comment.body}}`,
    },
  },
  {
    name: "Answer a mention",
    triggers: [{ type: "forge", events: ["issue.commented", "pull_request.commented"] }],
    filter: [{ path: "task.number", is_not: "" }],
    action: {
      type: "prompt_task",
      text: "{{event.comment.author}} wrote in {{event.comment.url}}:\n\n{{event.comment.body}}",
    },
  },
  {
    name: "Mend a red check",
    triggers: [{ type: "forge", events: ["pull_request.check_failed"] }],
    action: {
      type: "prompt_task",
      text: "The check {{event.check.name}} of your pull request fails ({{event.check.url}}). Find the cause, and fix it. The end of its log:\n\n{{event.check.log}}",
    },
  },
  {
    name: "Answer a review",
    triggers: [{ type: "forge", events: ["pull_request.review_submitted"] }],
    filter: [{ path: "event.review.verdict", is_not: "approve" }],
    action: {
      type: "prompt_task",
      text: "{{event.review.author}} reviewed your pull request ({{event.review.url}}). Make the changes that are asked for, and answer the open threads.\n\n{{event.review.body}}",
    },
  },
];

/**
 * Creates the automations of a project that was linked to a forge, in a change of the organization. The caller owns
 * them. Those whose name exists are left as they are.
 * @param account the login of the connection; null for an App
 */
export async function createDefaultAutomations(
  tx: Queryable,
  audit: AuditWriter,
  context: Pick<CallerContext, "orgId" | "actor" | "ip" | "requestId">,
  projectId: string,
  account: string | null,
): Promise<void> {
  const known = await listNames(tx, projectId);
  for (const { name, triggers, filter = [], action } of defaultsFor(account)) {
    if (known.includes(name)) continue;
    const id = newId();
    await insertAutomation(tx, {
      id,
      org_id: context.orgId,
      project_id: projectId,
      name,
      status: "active",
      triggers,
      event_types: eventTypesOf(triggers),
      filter,
      action,
      owner_id: context.actor.userId,
      origin: originOf(context),
      per_day: 50,
      at_once: 5,
      overlap: "queue",
    });
    audit({ action: "automation.created", target: targetOf({ id, name }) });
  }
}
