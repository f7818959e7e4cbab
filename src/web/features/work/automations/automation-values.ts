import type { Automation, NewAutomation } from "#shared/api/work/automations.js";
import type { Trigger } from "#shared/api/work/automation-parts.js";
import type { PresetName } from "#shared/execution/run-choices.js";
import { lineOf } from "../../../components/command/command-line.js";
import type { AutomationTemplate } from "../parts/automations/automation-templates.js";
import { type Operator, operatorOf } from "../parts/automations/automation-words.js";

/** A condition as it is edited. */
export interface ConditionValue {
  path: string;
  operator: Operator;
  text: string;
}

/** The form of an automation; fields are named as in the body. */
export interface AutomationValues {
  name: string;
  triggers: Trigger[];
  filter: ConditionValue[];
  "action.type": NewAutomation["action"]["type"];
  "action.title": string;
  /** The body of a task, or the text of a prompt. */
  text: string;
  /** Of a check. */
  "action.name": string;
  /** Empty for the project's program. */
  preset: PresetName | "";
  line: string;
  model: string;
  /** Separated by commas. */
  labels: string;
  /** Empty for the viewer. */
  acts_as: string;
  "limits.per_day": string;
  "limits.at_once": string;
  "limits.cost_usd_per_day": string;
  /** Empty for the default. */
  overlap: Automation["overlap"] | "";
}

/** The viewer's zone, in which the schedules of templates count. */
export const ownZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

const blank: AutomationValues = {
  name: "",
  triggers: [],
  filter: [],
  "action.type": "create_task",
  "action.title": "",
  text: "",
  "action.name": "",
  preset: "",
  line: "",
  model: "",
  labels: "",
  acts_as: "",
  "limits.per_day": "",
  "limits.at_once": "",
  "limits.cost_usd_per_day": "",
  overlap: "",
};

type Saved = Pick<NewAutomation, "name" | "triggers" | "action" | "filter">;

function valuesFrom({ name, triggers, filter = [], action }: Saved): AutomationValues {
  const isTask = action.type === "create_task";
  return {
    ...blank,
    name,
    triggers: [...triggers],
    filter: filter.map((condition) => ({ path: condition.path, ...operatorOf(condition) })),
    "action.type": action.type,
    "action.title": isTask ? action.title : "",
    text: isTask ? action.body : action.type === "prompt_task" ? action.text : "",
    "action.name": action.type === "run_check" ? action.name : "",
    preset: isTask ? (action.preset ?? "") : "",
    line: isTask ? lineOf(action.command ?? []) : "",
    model: isTask ? (action.model ?? "") : "",
    labels: isTask ? (action.labels ?? []).join(", ") : "",
  };
}

/** The values of a new automation; those of a template if it begins from one. */
export function newValues(template: AutomationTemplate | undefined): AutomationValues {
  if (template === undefined) {
    return {
      ...blank,
      triggers: [{ type: "schedule", cron: "0 7 * * 1", timezone: ownZone() }],
    };
  }
  const { limits = {} } = template;
  return {
    ...valuesFrom(template),
    "limits.per_day": limits.per_day === undefined ? "" : String(limits.per_day),
    "limits.cost_usd_per_day":
      limits.cost_usd_per_day == null ? "" : String(limits.cost_usd_per_day),
  };
}

/** The values of an automation that exists. */
export function savedValues(automation: Automation): AutomationValues {
  const { limits, overlap, owner, acts_as } = automation;
  return {
    ...valuesFrom(automation),
    acts_as: acts_as?.type === "service_account" && acts_as.id !== owner?.id ? acts_as.id : "",
    "limits.per_day": String(limits.per_day),
    "limits.at_once": String(limits.at_once),
    "limits.cost_usd_per_day":
      limits.cost_usd_per_day === null ? "" : String(limits.cost_usd_per_day),
    overlap,
  };
}

const numberOf = (text: string): number | undefined =>
  text.trim() === "" ? undefined : Number(text.replace(",", "."));

function actionOf(values: AutomationValues, command: readonly string[]): NewAutomation["action"] {
  const type = values["action.type"];
  if (type === "prompt_task") return { type, text: values.text };
  if (type === "run_check") return { type, name: values["action.name"] };
  const labels = values.labels.split(",").flatMap((label) => label.trim() || []);
  const model = values.model.trim();
  return {
    type,
    title: values["action.title"],
    body: values.text,
    ...(values.preset !== "" && { preset: values.preset }),
    ...(values.preset === "custom" && { command: [...command] }),
    ...(model !== "" && values.preset !== "custom" && { model }),
    ...(labels.length > 0 && { labels }),
  };
}

/** Returns the body of the call. @param command the words of the line, for a custom program */
export function bodyOf(values: AutomationValues, command: readonly string[]): NewAutomation {
  const perDay = numberOf(values["limits.per_day"]);
  const atOnce = numberOf(values["limits.at_once"]);
  return {
    name: values.name,
    triggers: values.triggers,
    filter: values.filter.map(({ path, operator, text }) => ({
      path: path.trim(),
      [operator]: text,
    })),
    action: actionOf(values, command),
    acts_as: values.acts_as === "" ? null : values.acts_as,
    limits: {
      ...(perDay !== undefined && { per_day: perDay }),
      ...(atOnce !== undefined && { at_once: atOnce }),
      cost_usd_per_day: numberOf(values["limits.cost_usd_per_day"]) ?? null,
    },
    ...(values.overlap !== "" && { overlap: values.overlap }),
  };
}
