import { z } from "zod";
import { nullable } from "../../contract/fields.js";
import { presetNames } from "../../execution/run-choices.js";
import {
  filterOperators,
  forgeEventNames,
  productEventNames,
} from "../../work/automation-choices.js";
import { isAutomationName, unknownNameOf } from "../../work/automation-names.js";
import { checkName } from "../code/protected-branches.js";
import { model } from "../execution/runs.js";
import { MAX_ATTEMPTS, MAX_TASK_BYTES, newTask } from "./tasks.js";

const MAX_FILTERS = 20;

const noNul = (text: string): boolean => !text.includes("\u0000");

/** A text with values of the event, all of whose names are known. */
const template = (maxBytes: number) =>
  z
    .string()
    .refine((value) => value.trim() !== "", "must not be empty")
    .refine(noNul, "must not contain NUL")
    .refine(
      (value) => new TextEncoder().encode(value).length <= maxBytes,
      `must be at most ${maxBytes / 1024} KiB`,
    )
    .superRefine((value, context) => {
      const unknown = unknownNameOf(value);
      if (unknown === undefined) return;
      const message = `names {{${unknown.slice(0, 100)}}}, which no event has; see the guide for the names`;
      context.addIssue({ code: "custom", message, input: value });
    });

export const schedule = z.strictObject({
  type: z.literal("schedule").describe("At certain times"),
  cron: z
    .string()
    .trim()
    .min(1)
    .max(200)
    .describe("Five fields: minute, hour, day of the month, month, day of the week")
    .meta({ example: "0 7 * * 1" }),
  timezone: z
    .string()
    .min(1)
    .max(100)
    .describe("IANA zone in which the fields count")
    .meta({ example: "Europe/Berlin" }),
});
export type Schedule = z.output<typeof schedule>;

const forgeTrigger = z.strictObject({
  type: z.literal("forge").describe("What happens on the forge of the project"),
  events: z
    .array(z.enum(forgeEventNames))
    .min(1)
    .max(forgeEventNames.length)
    .transform((values) => [...new Set(values)])
    .describe("The events that fire it"),
});
const webhookTrigger = z.strictObject({
  type: z.literal("webhook").describe("A request to an address of its own"),
  signed: z
    .boolean()
    .default(false)
    .describe("Whether a request must also be signed with a secret"),
});
const eventTrigger = z.strictObject({
  type: z.literal("event").describe("What happens in Omoi"),
  types: z
    .array(z.enum(productEventNames))
    .min(1)
    .max(productEventNames.length)
    .transform((values) => [...new Set(values)])
    .describe("The events that fire it"),
});

export const trigger = z.discriminatedUnion("type", [
  schedule,
  forgeTrigger,
  webhookTrigger,
  eventTrigger,
]);
export type Trigger = z.output<typeof trigger>;

const condition = z.strictObject({
  path: z
    .string()
    .max(2500)
    .refine(isAutomationName, "is no value of an event; see the guide for the names")
    .describe("The value, as in the texts")
    .meta({ example: "event.issue.labels" }),
  is: z.string().max(1000).optional().describe("Equal to this text"),
  is_not: z.string().max(1000).optional().describe("Not equal to this text"),
  contains: z
    .string()
    .min(1)
    .max(1000)
    .optional()
    .describe("Contains this text; a list contains it as a whole element"),
  matches: z
    .string()
    .min(1)
    .max(500)
    .optional()
    .describe(
      "Has a match of this regular expression, in the syntax of RE2, in its first 16 000 characters",
    ),
});
const hasOneOperator = (value: z.output<typeof condition>): boolean =>
  filterOperators.filter((operator) => value[operator] !== undefined).length === 1;
export const filter = z
  .array(condition.refine(hasOneOperator, "needs one of is, is_not, contains and matches"))
  .max(MAX_FILTERS);
export type Condition = z.output<typeof condition>;

const createTask = z.strictObject({
  type: z.literal("create_task").describe("Creates a task"),
  title: template(1024).describe("Title of the task, with values of the event"),
  body: template(MAX_TASK_BYTES).describe("What is to be done, with values of the event"),
  preset: z
    .enum(presetNames)
    .optional()
    .describe("The program; by default the project's, else the only one that can start"),
  command: newTask.shape.command.describe("For the preset `custom`: the program"),
  model: model.optional().describe("By default the project's, else the program's own"),
  labels: newTask.shape.labels.describe("Labels of the task"),
  attempts: z
    .int()
    .min(1)
    .max(MAX_ATTEMPTS)
    .optional()
    .describe("Attempts side by side; 1 by default"),
});
const promptTask = z.strictObject({
  type: z.literal("prompt_task").describe("Sends a prompt to the task that the event belongs to"),
  text: template(MAX_TASK_BYTES).describe("The prompt, with values of the event"),
});
const runCheck = z.strictObject({
  type: z
    .literal("run_check")
    .describe(
      "Runs a check of the project: on the change of the task that the event belongs to, merged with its target; else on the event's branch, or the default branch",
    ),
  name: checkName.describe("Name of the check"),
});
export const action = z.discriminatedUnion("type", [createTask, promptTask, runCheck]);
export type AutomationAction = z.output<typeof action>;

export const limits = z.strictObject({
  per_day: z.int().describe("Firings a day, in the zone of its first schedule, else UTC"),
  at_once: z.int().describe("Tasks and checks under way at once"),
  cost_usd_per_day: nullable.number.describe(
    "US dollars that its tasks may have cost today (UTC) before it fires no more; null for no limit",
  ),
});
