import type { Automation, Firing } from "#shared/api/work/automations.js";
import type { Condition, Trigger } from "#shared/api/work/automation-parts.js";
import { forgeEvents, productEvents } from "#shared/work/automation-choices.js";
import type { Tone } from "../../../../ui/feedback/badge.js";

export const automationStatusNames: Record<Automation["status"], string> = {
  active: "Active",
  paused: "Paused",
  disabled: "Off",
};
export const automationTones: Record<Automation["status"], Tone> = {
  active: "good",
  paused: "warn",
  disabled: "neutral",
};

export const decisionNames: Record<Firing["decision"], string> = {
  pending: "Pending",
  queued: "Queued",
  fired: "Fired",
  skipped: "Skipped",
  refused: "Refused",
  failed: "Failed",
};
export const decisionTones: Record<Firing["decision"], Tone> = {
  pending: "neutral",
  queued: "accent",
  fired: "good",
  skipped: "neutral",
  refused: "warn",
  failed: "bad",
};

const eventNames: Record<string, string> = {
  ...forgeEvents,
  ...productEvents,
  schedule: "Schedule",
  webhook: "Request to its address",
  manual: "By hand",
};

/** Names a type of event. */
export const eventName = (type: string): string => eventNames[type] ?? type;

const days = ["Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays"];

/** Describes a schedule in words where they are shorter than its fields. */
export function describeCron(cron: string): string {
  const [minute = "", hour = "", date, month, day = ""] = cron.trim().split(/ +/);
  if (!/^\d+$/.test(minute) || !/^\d+$/.test(hour) || date !== "*" || month !== "*") return cron;
  const at = `${hour.padStart(2, "0")}:${minute.padStart(2, "0")}`;
  if (day === "*") return `Every day ${at}`;
  if (day === "1-5") return `Mondays to Fridays ${at}`;
  const name = /^[0-6]$/.test(day) ? days[Number(day)] : undefined;
  return name === undefined ? cron : `${name} ${at}`;
}

/** Describes a trigger in a line. */
export function describeTrigger(trigger: Trigger): string {
  if (trigger.type === "schedule") return `${describeCron(trigger.cron)}, ${trigger.timezone}`;
  if (trigger.type === "webhook") {
    return trigger.signed ? "A signed request to its address" : "A request to its address";
  }
  const types = trigger.type === "forge" ? trigger.events : trigger.types;
  return types.map(eventName).join(", or ");
}

const operatorNames = {
  is: "is",
  is_not: "is not",
  contains: "contains",
  matches: "matches",
} as const;

export type Operator = keyof typeof operatorNames;
export const operators = Object.keys(operatorNames) as Operator[];
export const operatorName = (operator: Operator): string => operatorNames[operator];

/** Returns the operator of a condition with its text. */
export function operatorOf(condition: Condition): { operator: Operator; text: string } {
  const operator = operators.find((name) => condition[name] !== undefined) ?? "is";
  return { operator, text: condition[operator] ?? "" };
}
