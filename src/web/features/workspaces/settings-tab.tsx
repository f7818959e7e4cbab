import { type ReactElement, useState } from "react";
import { api } from "#shared/api/index.js";
import type { MergeStrategy, Workspace } from "#shared/api/workspaces.js";
import { useAction } from "../../action.js";
import { checked, client } from "../../api.js";
import { Button } from "../../ui/button.js";
import { Card } from "../../ui/card.js";
import { Checkbox, TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { SelectField } from "../../ui/select.js";
import { PermissionHint } from "../organizations/permission-hint.js";
import type { Refusal } from "../organizations/permissions.js";
import { workspacesKey } from "./queries.js";
import { strategyOptions } from "./strategies.js";

interface SettingsTabProps {
  workspace: Workspace;
  refusal: Refusal;
}

export function SettingsTab({ workspace, refusal }: SettingsTabProps): ReactElement {
  const { settings } = workspace;
  const [baseBranch, setBaseBranch] = useState(workspace.base_branch);
  const [strategy, setStrategy] = useState<MergeStrategy>(settings.merge_strategy);
  const [isAutoCheckpoint, setAutoCheckpoint] = useState(settings.auto_checkpoint);
  const [retentionDays, setRetentionDays] = useState(String(settings.retention_days));
  const reason = refusal("agent:workspace:write");

  const save = useAction({
    run: (body: Parameters<typeof client.workspaces.update>[0]["body"]) =>
      client.workspaces.update({
        params: { agent_id: workspace.agent_id },
        body: checked(api.workspaces.update, body),
      }),
    refresh: [workspacesKey],
    say: () => "Settings saved",
  });
  const baseError = save.error?.field("base_branch");
  // An error inside `settings` is located by its second part; the number is the one field typed there.
  const settingsError = save.error?.field("settings");
  const handleSubmit = (): void => {
    save.submit({
      ...(baseBranch === workspace.base_branch ? {} : { base_branch: baseBranch.trim() }),
      settings: {
        merge_strategy: strategy,
        auto_checkpoint: isAutoCheckpoint,
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
        isShownAtField={Boolean(baseError ?? settingsError)}
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
          hint="Commits unsaved work before a merge. When off, such a merge is refused."
        />
        <TextField
          label="Retention Days"
          name="retention_days"
          inputMode="numeric"
          value={retentionDays}
          onChange={setRetentionDays}
          error={settingsError}
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
