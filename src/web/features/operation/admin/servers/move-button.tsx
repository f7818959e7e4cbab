import { type ReactElement, useState } from "react";
import type { ClusterNode, NodeProject } from "#shared/api/operation/nodes.js";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { adminKey } from "../../../../api/queries/operation/admin.js";
import { useForm } from "../../../../forms/use-form.js";
import { Button } from "../../../../ui/actions/button.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";
import { visible } from "../../../../ui/text/plain-text.js";
import { TargetField } from "./move-targets.js";

interface MoveButtonProps {
  project: NodeProject;
  targets: readonly ClusterNode[];
  /** Why the project cannot move now. */
  reason: string | undefined;
}

/** Moves a project to another server, which a dialog asks for. */
export function MoveButton({ project, targets, reason }: MoveButtonProps): ReactElement {
  const [isOpen, setOpen] = useState(false);
  const name = visible(project.name);
  return (
    <>
      <Button aria-label={`Move ${name}`} disabledReason={reason} onClick={() => setOpen(true)}>
        Move
      </Button>
      <Dialog
        isOpen={isOpen}
        onClose={() => setOpen(false)}
        title={`Move ${name}`}
        description="The project stays in use while its files are copied. In the last seconds it answers 503. A move starts when no run is in progress; a run that begins meanwhile is waited for."
      >
        <MoveForm
          project={project}
          targets={targets}
          reason={reason}
          onClose={() => setOpen(false)}
        />
      </Dialog>
    </>
  );
}

function MoveForm({
  project,
  targets,
  reason,
  onClose,
}: MoveButtonProps & { onClose: () => void }): ReactElement {
  const targetOf = ({ node }: { node: string }): string =>
    (targets.find(({ id }) => id === node) ?? targets[0])?.id ?? "";
  const form = useForm({
    endpoint: api.projectMoves.start,
    saved: { node: "" },
    toBody: (values) => ({ node: targetOf(values) }),
    run: (body, headers) =>
      client.projectMoves.start({ params: { project_id: project.id }, body }, { headers }),
    refresh: [adminKey],
    successMessage: () => "Move started",
    onDone: onClose,
    isGuarded: false,
  });
  const error = form.errorOf("node");
  return (
    <Form label="Move" {...form.props} className="flex flex-col gap-4">
      <TargetField
        targets={targets}
        value={targetOf(form.values)}
        onChange={(id) => form.set({ node: id })}
      />
      {error !== undefined && <Alert live>The server {error}.</Alert>}
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <SubmitButton disabledReason={reason}>Move project</SubmitButton>
      </DialogActions>
    </Form>
  );
}
