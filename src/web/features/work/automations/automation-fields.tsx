import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { DenyReason } from "../../../access/deny-reason.js";
import { checksQuery } from "../../../api/queries/code/merge-queue.js";
import { presetsQuery } from "../../../api/queries/execution/runs.js";
import { serviceAccountsQuery } from "../../../api/queries/identity/service-accounts.js";
import type { FormState } from "../../../forms/use-form.js";
import { TextArea, TextField } from "../../../ui/fields/field.js";
import { RadioList } from "../../../ui/fields/radio.js";
import { SelectField } from "../../../ui/fields/select.js";
import { visible } from "../../../ui/text/plain-text.js";
import type { AutomationValues } from "./automation-values.js";
import { FilterFields } from "./filter-fields.js";
import { TriggerFields } from "./trigger-fields.js";

interface FieldsProps {
  form: FormState<AutomationValues>;
  projectId: string;
  orgId: string;
  refusal: DenyReason;
}

/** The form of an automation: when, only if, what, as whom, and within which limits. */
export function AutomationFields(props: FieldsProps): ReactElement {
  const { form, projectId } = props;
  const { values } = form;
  return (
    <>
      <TextField label="Name" {...form.field("name")} />
      <TriggerFields
        projectId={projectId}
        value={values.triggers}
        onChange={(triggers) => form.set({ triggers })}
        errorOf={form.errorOf}
      />
      <FilterFields
        value={values.filter}
        onChange={(filter) => form.set({ filter })}
        errorOf={form.errorOf}
      />
      <RadioList
        legend="Do"
        value={values["action.type"]}
        onChange={(type) => form.set({ "action.type": type })}
        options={[
          { value: "create_task", label: "Create a task" },
          {
            value: "prompt_task",
            label: "Send a prompt to the task that the event belongs to",
            hint: "An event without a task is refused.",
          },
          {
            value: "run_check",
            label: "Run a check",
            hint: "On the change of the event's task, merged with its target; else on the event's branch, or the default branch.",
          },
        ]}
      />
      {values["action.type"] === "create_task" && <TaskFields {...props} />}
      {values["action.type"] === "run_check" ? (
        <CheckField {...props} />
      ) : (
        <TextArea
          label="Prompt"
          value={values.text}
          onChange={(text) => form.set({ text })}
          error={form.errorOf("action.body", "action.text")}
          rows={9}
          hint="Values of the event stand in double braces, such as {{event.issue.title}}. Text from outside is marked as data."
        />
      )}
      <Bounds {...props} />
    </>
  );
}

function TaskFields({ form }: FieldsProps): ReactElement {
  const presets = useQuery(presetsQuery);
  const isCustom = form.values.preset === "custom";
  return (
    <>
      <TextField label="Title of the task" {...form.field("action.title")} />
      <div className="grid gap-3 sm:grid-cols-3">
        <SelectField
          label="Program"
          value={form.values.preset}
          onChange={(preset) => form.set({ preset: preset as AutomationValues["preset"] })}
          error={form.errorOf("action.preset")}
          options={[
            { value: "", label: "The project's" },
            ...(presets.data ?? []).map(({ name, title }) => ({ value: name, label: title })),
          ]}
        />
        {isCustom ? (
          <TextField
            label="Command"
            {...form.field("line")}
            error={form.errorOf("action.command")}
            spellCheck={false}
            className="font-mono text-[13px]"
          />
        ) : (
          <TextField
            label="Model"
            optional
            {...form.field("model")}
            error={form.errorOf("action.model")}
            placeholder="Default"
            spellCheck={false}
          />
        )}
        <TextField
          label="Labels"
          optional
          {...form.field("labels")}
          error={form.errorOf("action.labels")}
          placeholder="bug, invoices"
        />
      </div>
    </>
  );
}

function CheckField({ form, projectId }: FieldsProps): ReactElement {
  const { data: checks = [] } = useQuery(checksQuery(projectId));
  const chosen = form.values["action.name"];
  const names = checks.map(({ name }) => name);
  const known = chosen === "" || names.includes(chosen) ? names : [chosen, ...names];
  return (
    <SelectField
      label="Check"
      value={chosen}
      onChange={(name) => form.set({ "action.name": name })}
      error={form.errorOf("action.name")}
      options={[
        ...(chosen === "" ? [{ value: "", label: "Choose a check" }] : []),
        ...known.map((name) => ({ value: name, label: visible(name) })),
      ]}
      hint="Checks are commands in the settings of the project."
    />
  );
}

function Bounds({ form, orgId, refusal }: FieldsProps): ReactElement {
  const mayRead = refusal("org:service-accounts:read") === undefined;
  const accounts = useQuery({ ...serviceAccountsQuery(orgId), enabled: mayRead });
  const chosen = form.values.acts_as;
  const isKnown = accounts.data?.some(({ id }) => id === chosen) ?? false;
  return (
    <div className="grid gap-3 sm:grid-cols-2">
      <SelectField
        label="Acts as"
        value={chosen}
        onChange={(id) => form.set({ acts_as: id })}
        error={form.errorOf("acts_as")}
        options={[
          { value: "", label: "You, its owner" },
          ...(accounts.data ?? []).map(({ id, name }) => ({
            value: id,
            label: `Service account ${visible(name)}`,
          })),
          ...(chosen !== "" && !isKnown ? [{ value: chosen, label: "Its service account" }] : []),
        ]}
        hint="Permissions are judged when it fires."
      />
      <SelectField
        label="At the limit"
        {...form.field("overlap")}
        onChange={(overlap) => form.set({ overlap: overlap as AutomationValues["overlap"] })}
        options={[
          ...(form.values.overlap === "" ? [{ value: "", label: "Usual for its triggers" }] : []),
          { value: "skip", label: "Skip the event" },
          { value: "queue", label: "Queue the event" },
          { value: "replace", label: "Stop the oldest one" },
        ]}
      />
      <TextField
        label="Firings a day"
        optional
        {...form.field("limits.per_day")}
        inputMode="numeric"
        placeholder="50"
      />
      <TextField
        label="At once"
        optional
        {...form.field("limits.at_once")}
        inputMode="numeric"
        placeholder="Usual for its triggers"
      />
      <TextField
        label="Dollars a day"
        optional
        {...form.field("limits.cost_usd_per_day")}
        inputMode="decimal"
        placeholder="No limit"
        hint="It fires no more once its tasks have cost as much."
      />
    </div>
  );
}
