import type { ReactElement } from "react";
import { api } from "../../../../api/api-calls.js";
import type { MergeStrategy } from "#shared/api/code/merges.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { client } from "../../../../api/client.js";
import { useForm } from "../../../../forms/use-form.js";
import { queryClient } from "../../../../api/query-client.js";
import { editOptions } from "../../../../api/incoming.js";
import { Card } from "../../../../ui/layout/card.js";
import { Checkbox, TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { PermissionHint } from "../../../../access/permission-hint.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { workspaceQuery, workspacesKey } from "../../../../api/queries/code/workspaces.js";
import { strategyOptions } from "../../../code/parts/merges/strategies.js";

interface SettingsTabProps {
  workspace: Workspace;
  refusal: DenyReason;
}

/** The fields, by the names in the API's validation errors. */
const fieldsOf = ({ base_branch, settings }: Workspace) => ({
  base_branch,
  "settings.merge_strategy": settings.merge_strategy,
  "settings.auto_checkpoint": settings.auto_checkpoint,
  "settings.checkpoint_interval_minutes": String(settings.checkpoint_interval_minutes ?? ""),
  "settings.retention_days": String(settings.retention_days),
});
type Fields = ReturnType<typeof fieldsOf>;

/** Returns the changed settings only, so that concurrent edits of others are preserved. */
function settingsOf(values: Fields, changed: ReadonlySet<keyof Fields>) {
  const minutes = values["settings.checkpoint_interval_minutes"].trim();
  const days = values["settings.retention_days"].trim();
  return {
    ...(changed.has("settings.merge_strategy")
      ? { merge_strategy: values["settings.merge_strategy"] }
      : {}),
    ...(changed.has("settings.auto_checkpoint")
      ? { auto_checkpoint: values["settings.auto_checkpoint"] }
      : {}),
    ...(changed.has("settings.checkpoint_interval_minutes")
      ? { checkpoint_interval_minutes: minutes === "" ? null : Number(minutes) }
      : {}),
    // An empty field is not zero.
    ...(changed.has("settings.retention_days")
      ? { retention_days: days === "" ? Number.NaN : Number(days) }
      : {}),
  };
}

export function SettingsTab({ workspace, refusal }: SettingsTabProps): ReactElement {
  const { agent_id } = workspace;
  const reason = refusal("agent:workspace:write");
  const form = useForm({
    endpoint: api.workspaces.update,
    ...editOptions(
      workspace,
      () => queryClient.fetchQuery({ ...workspaceQuery(agent_id), staleTime: 0 }),
      fieldsOf,
    ),
    toBody: (values, changed) => ({
      ...(changed.has("base_branch") ? { base_branch: values.base_branch.trim() } : {}),
      settings: settingsOf(values, changed),
    }),
    run: (body, headers) => client.workspaces.update({ params: { agent_id }, body }, { headers }),
    refresh: [workspacesKey],
    successMessage: () => "Settings saved",
  });
  const strategy = form.field("settings.merge_strategy");
  const isAutoCheckpoint = form.values["settings.auto_checkpoint"];
  return (
    <Card>
      <Form label="Workspace settings" {...form.props} className="max-w-xl">
        <PermissionHint reason={reason} />
        <TextField
          label="Base Branch"
          {...form.field("base_branch")}
          disabledReason={reason}
          className="font-mono text-[13px]"
          hint="The branch that the workspace merges into and is compared with."
        />
        <SelectField
          label="Merge strategy"
          {...strategy}
          options={strategyOptions}
          onChange={(value) => strategy.onChange(value as MergeStrategy)}
          disabledReason={reason}
          hint="Decides files changed on both sides, unless a merge names another strategy."
        />
        <Checkbox
          label="Auto checkpoint"
          checked={isAutoCheckpoint}
          onChange={(value) => form.set({ "settings.auto_checkpoint": value })}
          incoming={form.field("settings.auto_checkpoint").incoming}
          disabledReason={reason}
          hint="Commits unsaved work before a merge, at the end of a run, and at the interval below. When off, a merge with unsaved work is refused."
        />
        <TextField
          label="Checkpoint interval (minutes)"
          inputMode="numeric"
          optional
          {...form.field("settings.checkpoint_interval_minutes")}
          disabledReason={
            reason ??
            (isAutoCheckpoint
              ? undefined
              : "Auto checkpoint is off: switch it on to have an interval.")
          }
          hint="How often unsaved work is committed automatically, 1 to 1440. Empty: never."
        />
        <TextField
          label="Retention days"
          inputMode="numeric"
          {...form.field("settings.retention_days")}
          disabledReason={reason}
          hint="How long an archived workspace can be restored."
        />
        <SubmitButton disabledReason={reason} className="self-start">
          Save Changes
        </SubmitButton>
      </Form>
    </Card>
  );
}
