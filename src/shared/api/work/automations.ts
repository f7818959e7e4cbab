import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import {
  id,
  jsonObject,
  name,
  nullable,
  page,
  projectParams,
  timestamp,
} from "../../contract/fields.js";
import {
  automationStatuses,
  decisions,
  forgeEventNames,
  MAX_HOOK_BYTES,
  overlaps,
  productEventNames,
} from "../../work/automation-choices.js";
import { requestCheck } from "../code/merge-requests.js";
import { action, filter, limits, schedule, trigger } from "./automation-parts.js";

const MAX_TRIGGERS = 10;

const person = z.strictObject({
  type: z.enum(["user", "service_account"]).describe("Whether a user or a service account"),
  id: id.describe("Id of the user or service account"),
  name: z.string().describe("Name of the user or service account"),
});

export const automation = z.strictObject({
  id: id.describe("Id of the automation"),
  project_id: id.describe("Id of the project"),
  name: z.string().describe("Name of the automation"),
  status: z
    .enum(automationStatuses)
    .describe("`paused`: by a person or by the server. `disabled`: not switched on."),
  status_reason: nullable.string.describe("Why the server has paused it, as a sentence"),
  triggers: z.array(trigger).describe("Each of them fires it"),
  filter: filter.describe("Conditions that must all hold"),
  action: action.describe("What it does"),
  owner: person.nullable().describe("The member who saved it last; null once removed"),
  acts_as: person
    .nullable()
    .describe("With whose permissions it acts: its owner or a service account; null once removed"),
  limits: limits.describe("Bounds, judged when it fires"),
  overlap: z
    .enum(overlaps)
    .describe(
      "When as many tasks or checks are under way as `at_once` allows: `skip` the event, `queue` it, or `replace` stops the oldest one",
    ),
  last_fired_at: nullable.timestamp.describe("When it last fired; null before"),
  next_at: nullable.timestamp.describe("When it is due; null without a schedule and while paused"),
  next: z.array(timestamp).describe("The next five times of its schedules"),
  created_at: timestamp.describe("Time of creation"),
  updated_at: timestamp.describe("Time of the last change by a person"),
});
export type Automation = z.output<typeof automation>;

const address = z.strictObject({
  url: nullable.string.describe("Where to send requests; it contains the token and is shown once"),
  secret: nullable.string.describe(
    "Signs requests, as `whsec_` and base64; shown once; null if they need no signature",
  ),
});
const withAddress = automation.extend({
  webhook: address.nullable().describe("Its address; null without a trigger `webhook`"),
});

const choices = {
  name: name.describe("At most 255 characters"),
  triggers: z.array(trigger).min(1, "needs a trigger").max(MAX_TRIGGERS).describe("Each fires it"),
  filter: filter.optional().describe("Conditions that must all hold, at most 20; none by default"),
  action: action.describe("What it does"),
  acts_as: id
    .nullable()
    .optional()
    .describe("Id of a service account; null, the default, for you, its owner"),
  limits: z
    .strictObject({
      per_day: z.int().min(1).max(10_000).optional().describe("1 to 10 000; 50 by default"),
      at_once: z
        .int()
        .min(1)
        .max(1000)
        .optional()
        .describe("1 to 1 000; by default 1 with schedules alone, else 5"),
      cost_usd_per_day: z
        .number()
        .positive()
        .max(1_000_000)
        .nullable()
        .optional()
        .describe("Null, the default, for no limit"),
    })
    .optional()
    .describe("Bounds"),
  overlap: z
    .enum(overlaps)
    .optional()
    .describe("By default `skip` with schedules alone, else `queue`"),
  status: z.enum(automationStatuses).optional().describe("`active` by default"),
};
const newAutomation = z.strictObject(choices);
export type NewAutomation = z.output<typeof newAutomation>;
const changes = newAutomation.partial();
export type AutomationChanges = z.output<typeof changes>;

const eventInput = z.strictObject({
  type: z
    .enum([...forgeEventNames, ...productEventNames, "schedule", "webhook", "manual"])
    .describe("Type of the event"),
  values: jsonObject(MAX_HOOK_BYTES)
    .optional()
    .describe('What templates and filters see as `event`, such as `{"issue": {"title": …}}`'),
  task_id: id.optional().describe("The task that the event belongs to"),
});
export type EventInput = z.output<typeof eventInput>;

export const firing = z.strictObject({
  id: id.describe("Id of the firing"),
  type: z.string().describe("Type of the event"),
  event_id: z.string().describe("Id of the event; it fires an automation once"),
  by: nullable.string.describe("Who caused the event; null for the server"),
  trust: z.enum(["trusted", "untrusted"]).describe("Whether its text may be by outsiders"),
  at: timestamp.describe("When it happened; of a schedule, when it was due"),
  chain: z.int().describe("Links of the chain of events; the sixth is refused"),
  decision: z
    .enum(decisions)
    .describe("`pending` until it is decided; `queued` waits for its turn"),
  reason: nullable.string.describe("Why, as a sentence; null if it fired"),
  task: z
    .strictObject({
      id: id.describe("Id of the task"),
      number: z.int().describe("Number of the task"),
      title: z.string().describe("Title of the task"),
    })
    .nullable()
    .describe("What it created, prompted or checked; null for nothing"),
  check: z
    .strictObject({
      name: z.string().describe("Name of the check"),
      status: requestCheck.shape.status,
      branch: z
        .string()
        .describe("The branch that was checked, or into which the task's change is to go"),
      commit_sha: z.string().describe("The commit that it runs on"),
      agent_id: nullable.id.describe("The agent whose work it checks; null for a branch"),
      run_id: requestCheck.shape.run_id,
      detail: requestCheck.shape.detail,
    })
    .nullable()
    .describe("The check that it ran; null for another action"),
  created_at: timestamp.describe("When the server heard of it"),
  decided_at: nullable.timestamp.describe("When it was decided; null before"),
});
export type Firing = z.output<typeof firing>;

const trial = z.strictObject({
  decision: z
    .enum(["fired", "queued", "skipped", "refused", "failed"])
    .describe("What would happen"),
  reason: nullable.string.describe("Why, as a sentence; null if it would fire"),
  event: z
    .strictObject({
      type: z.string().describe("Type of the event"),
      from: z
        .enum(["given", "last_firing", "example"])
        .describe("Whether it was given, is that of the last firing, or made up"),
    })
    .describe("The event that was tried"),
  title: nullable.string.describe("Title of the task that would be created; null for a prompt"),
  prompt: nullable.string.describe("The finished prompt; null for a check"),
  check: z
    .strictObject({
      name: z.string().describe("Name of the check"),
      branch: z
        .string()
        .describe("The branch that would be checked, or into which the task's change is to go"),
      commit_sha: nullable.string.describe(
        "The commit of the task or event; null for the newest of the branch",
      ),
    })
    .nullable()
    .describe(
      "The check that would run; null for another action, and if there is nothing to check",
    ),
  acts_as: person.nullable().describe("As whom it would act"),
  permissions: z
    .array(
      z.strictObject({
        permission: z.string().describe("A permission that it needs"),
        allowed: z.boolean().describe("Whether it is held"),
      }),
    )
    .describe("What it may do"),
  program: nullable.string.describe("The program that would start; null if none can"),
  today: z
    .strictObject({
      firings: z.int().describe("How often it fired today"),
      under_way: z.int().describe("Its tasks and checks under way"),
      cost_usd: z.number().describe("US dollars that its tasks cost today (UTC)"),
    })
    .describe("What it has used of its limits"),
  limits: limits.describe("Its limits"),
});
export type Trial = z.output<typeof trial>;

const params = projectParams.extend({ automation_id: id.describe("Id of the automation") });
const path = "/api/v1/projects/{project_id}/automations" as const;
const one = `${path}/{automation_id}` as const;

export const automations = {
  list: endpoint({
    method: "GET",
    path,
    access: "project:automation:read",
    summary: "List the automations of a project",
    params: projectParams,
    query: page,
    response: z.array(automation),
  }),
  create: endpoint({
    method: "POST",
    path,
    access: "project:automation:write",
    summary: "Create an automation",
    status: 201,
    location: "/api/v1/projects/{project_id}/automations/{id}",
    params: projectParams,
    body: newAutomation,
    response: withAddress,
    secrets: ["webhook"],
    errors: ["too_many_automations", "privilege_escalation"],
  }),
  nextTimes: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/next-times",
    access: "project:automation:read",
    summary: "Compute the next five times of a schedule",
    params: projectParams,
    query: schedule.omit({ type: true }),
    response: z.strictObject({ next: z.array(timestamp).describe("The next five times") }),
  }),
  get: endpoint({
    method: "GET",
    path: one,
    access: "project:automation:read",
    summary: "Get an automation",
    params,
    response: automation,
  }),
  update: endpoint({
    method: "PATCH",
    path: one,
    access: "project:automation:write",
    summary: "Change, pause or resume an automation; who changes what it does becomes its owner",
    params,
    body: changes,
    response: withAddress,
    secrets: ["webhook"],
    errors: ["privilege_escalation"],
  }),
  delete: endpoint({
    method: "DELETE",
    path: one,
    access: "project:automation:write",
    summary: "Delete an automation with its firings; its tasks stay",
    params,
  }),
  firings: endpoint({
    method: "GET",
    path: `${one}/firings`,
    access: "project:automation:read",
    summary: "List the firings of an automation, newest first",
    params,
    query: page,
    response: z.array(firing),
  }),
  test: endpoint({
    method: "POST",
    path: `${one}/test`,
    access: "project:automation:write",
    summary: "Show what an event would do, without doing it",
    safe: true,
    params,
    body: z.strictObject({
      event: eventInput.optional().describe("By default that of the last firing, else an example"),
    }),
    response: trial,
  }),
  run: endpoint({
    method: "POST",
    path: `${one}/run`,
    access: "project:automation:write",
    summary: "Fire an automation by hand",
    params,
    body: z.strictObject({
      event: eventInput.optional().describe("By default an event `manual` without values"),
    }),
    response: firing,
    errors: ["automation_paused"],
  }),
  rotateToken: endpoint({
    method: "POST",
    path: `${one}/rotate-token`,
    access: "project:automation:write",
    summary: "Replace the address of an automation, and its secret; the former ones end",
    params,
    response: address,
    secrets: ["url", "secret"],
    errors: ["no_webhook_trigger"],
  }),
};
