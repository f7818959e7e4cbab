import { type ReactElement, useState } from "react";
import type { MergeStrategy } from "#shared/api/merges.js";
import type { Workspace } from "#shared/api/workspaces.js";
import { useAction } from "../../action.js";
import { checked, client } from "../../api.js";
import { api } from "../../contract.js";
import { Button } from "../../ui/button.js";
import { Card } from "../../ui/card.js";
import { Checkbox, TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { SelectField } from "../../ui/select.js";
import { PermissionHint } from "../organizations/permission-hint.js";
import type { Refusal } from "../organizations/permissions.js";
import { workspacesKey } from "./queries.js";
import { strategyOptions } from "../merging/strategies.js";

interface SettingsTabProps {
  workspace: Workspace;
  refusal: Refusal;
}

export function SettingsTab({ workspace, refusal }: SettingsTabProps): ReactElement {
  const { settings } = workspace;
  const [baseBranch, setBaseBranch] = useState(workspace.base_branch);
  const [strategy, setStrategy] = useState<MergeStrategy>(settings.merge_strategy);
  const [isAutoCheckpoint, setAutoCheckpoint] = useState(settings.auto_checkpoint);
  const [minutes, setMinutes] = useState(String(settings.checkpoint_interval_minutes ?? ""));
  const [retentionDays, setRetentionDays] = useState(String(settings.retention_days));
  const reason = refusal("agent:workspace:write");

  const save = useAction({
    run: async (body: Parameters<typeof client.workspaces.update>[0]["body"]) =>
      client.workspaces.update({
        params: { agent_id: workspace.agent_id },
        body: await checked(api.workspaces.update, body),
      }),
    refresh: [workspacesKey],
    say: () => "Settings saved",
  });
  const baseError = save.error?.field("base_branch");
  const minutesError = save.error?.field("settings.checkpoint_interval_minutes");
  const retentionError = save.error?.field("settings.retention_days");
  const handleSubmit = (): void => {
    save.submit({
      ...(baseBranch === workspace.base_branch ? {} : { base_branch: baseBranch.trim() }),
      settings: {
        merge_strategy: strategy,
        auto_checkpoint: isAutoCheckpoint,
        checkpoint_interval_minutes: minutes.trim() === "" ? null : Number(minutes),
        // An empty field is not zero.
        retention_days: retentionDays.trim() === "" ? Number.NaN : Number(retentionDays),
      },
    });
  };
  return (
    <Card>
      <Form
        label="Workspace settings"
        onSubmit={handleSubmit}
        error={save.error}
        isShownAtField={Boolean(baseError ?? minutesError ?? retentionError)}
        className="max-w-xl"
      >
        <PermissionHint reason={reason} />
        <TextField
          label="Base Branch"
          name="base_branch"
          value={baseBranch}
          onChange={setBaseBranch}
          error={baseError}
          disabledReason={reason}
          className="font-mono text-[13px]"
          hint="Where the workspace merges to, and what it is compared with."
        />
        <SelectField
          label="Merge Strategy"
          name="merge_strategy"
          value={strategy}
          options={strategyOptions}
          onChange={(value) => setStrategy(value as MergeStrategy)}
          disabledReason={reason}
          hint="Who wins a file that both sides changed, where a merge names no other strategy."
        />
        <Checkbox
          label="Auto Checkpoint"
          checked={isAutoCheckpoint}
          onChange={setAutoCheckpoint}
          disabledReason={reason}
          hint="Commits unsaved work before a merge, at the end of a run, and at the interval below. When off, a merge with unsaved work is refused."
        />
        <TextField
          label="Checkpoint Interval (Minutes)"
          name="checkpoint_interval_minutes"
          inputMode="numeric"
          optional
          value={minutes}
          onChange={setMinutes}
          error={minutesError}
          disabledReason={
            reason ??
            (isAutoCheckpoint
              ? undefined
              : "Auto Checkpoint is off: switch it on to have an interval.")
          }
          hint="How often unsaved work is committed by itself, 1 to 1440. Empty: never."
        />
        <TextField
          label="Retention Days"
          name="retention_days"
          inputMode="numeric"
          value={retentionDays}
          onChange={setRetentionDays}
          error={retentionError}
          disabledReason={reason}
          hint="How long an archived workspace can be brought back."
        />
        <div>
          <Button type="submit" variant="primary" pending={save.pending} disabledReason={reason}>
            Save Changes
          </Button>
        </div>
      </Form>
    </Card>
  );
}
