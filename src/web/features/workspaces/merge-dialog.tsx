import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { Merge, MergeStrategy, Workspace } from "#shared/api/workspaces.js";
import { useAction } from "../../action.js";
import { asApiError, client } from "../../api.js";
import { paths } from "../../paths.js";
import { Alert } from "../../ui/alert.js";
import { Button } from "../../ui/button.js";
import { Dialog, DialogActions } from "../../ui/dialog.js";
import { countOf } from "../../ui/number.js";
import { PlainText } from "../../ui/plain-text.js";
import { SelectField } from "../../ui/select.js";
import { Skeleton } from "../../ui/states.js";
import { projectsKey } from "../projects/queries.js";
import { mergePreviewQuery, workspacesKey } from "./queries.js";
import { kindLabel, winnerLabel } from "./resolution-labels.js";
import { strategyOptions } from "./strategies.js";

interface MergeDialogProps {
  isOpen: boolean;
  onClose: () => void;
  workspace: Workspace;
}

export function MergeDialog({ isOpen, onClose, workspace }: MergeDialogProps): ReactElement {
  return (
    <Dialog
      isOpen={isOpen}
      onClose={onClose}
      title={`Merge into ${workspace.base_branch}`}
      description={
        <>
          From <PlainText value={workspace.branch_name} />.{" "}
          {workspace.settings.auto_checkpoint
            ? "Unsaved work is checkpointed first."
            : "Unsaved work has to be committed first."}
        </>
      }
    >
      <MergeForm onClose={onClose} workspace={workspace} />
    </Dialog>
  );
}

function sayMerge({ status, target_branch, total_conflicts }: Merge): string {
  if (status === "up_to_date") return `Nothing to merge: ${target_branch} has it all`;
  const resolved =
    total_conflicts === 0 ? "" : `, ${countOf(total_conflicts, "conflict")} resolved`;
  return `Merged into ${target_branch}${resolved}`;
}

function MergeForm({ onClose, workspace }: Omit<MergeDialogProps, "isOpen">): ReactElement {
  const agentId = workspace.agent_id;
  const target = workspace.base_branch;
  const navigate = useNavigate();
  const [strategy, setStrategy] = useState<MergeStrategy>(workspace.settings.merge_strategy);
  const preview = useQuery(mergePreviewQuery(agentId, target, strategy));

  const merge = useAction({
    run: (body: { target_branch: string; strategy: MergeStrategy }, headers) =>
      client.workspaces.createMerge({ params: { agent_id: agentId }, body }, { headers }),
    refresh: [workspacesKey, projectsKey],
    say: sayMerge,
    onDone: ({ id, total_conflicts }) => {
      onClose();
      if (id !== null && total_conflicts > 0) void navigate(paths.merge(agentId, id));
    },
  });
  return (
    <div className="flex flex-col gap-4">
      {merge.error && <Alert live>{merge.error.message}</Alert>}
      <SelectField
        label="Strategy"
        value={strategy}
        options={strategyOptions}
        onChange={(value) => setStrategy(value as MergeStrategy)}
        hint="Decides real conflicts only; the rest is merged as git merges it."
      />
      <div aria-live="polite">
        {preview.isPending ? (
          <Skeleton rows={1} />
        ) : preview.isError ? (
          <Alert>{asApiError(preview.error).message}</Alert>
        ) : (
          <Preview merge={preview.data} />
        )}
      </div>
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <Button
          variant="primary"
          icon="merge"
          pending={merge.pending}
          disabledReason={
            preview.isPending
              ? "Looking what would conflict…"
              : preview.isError
                ? "It cannot be merged like this; above is why"
                : undefined
          }
          onClick={() => merge.submit({ target_branch: target, strategy })}
        >
          Merge
        </Button>
      </DialogActions>
    </div>
  );
}

/** What would conflict, and who would win. */
function Preview({ merge }: { merge: Merge }): ReactElement {
  if (merge.status === "up_to_date") {
    return (
      <Alert tone="info">
        Nothing that is committed is missing in <PlainText value={merge.target_branch} />.
      </Alert>
    );
  }
  if (merge.total_conflicts === 0)
    return <Alert tone="good">No conflicts: git merges this cleanly.</Alert>;
  return (
    <div className="flex flex-col gap-2">
      <Alert tone="warn">
        {countOf(merge.total_conflicts, "conflict")} would be resolved as below. The losing side
        stays fetchable.
      </Alert>
      <ul className="max-h-72 divide-y divide-line overflow-y-auto rounded-md border border-line">
        {merge.resolutions.map((resolution) => (
          <li key={resolution.paths.join("\n")} className="flex flex-col gap-0.5 px-3 py-2">
            {resolution.paths.map((path) => (
              <PlainText key={path} value={path} className="font-mono text-[13px]" />
            ))}
            <span className="text-[13px] text-muted">
              {kindLabel(resolution.kind)} · Winner:{" "}
              <span className="font-medium text-ink">{winnerLabel(resolution.winner, merge)}</span>
            </span>
            <span className="text-[13px] text-muted">
              <PlainText value={resolution.rule} />
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
