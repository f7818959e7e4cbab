import type { ReactElement } from "react";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { useForm } from "../../../../forms/use-form.js";
import { Button } from "../../../../ui/actions/button.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";
import { TextArea, TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { projectsKey } from "../../../../api/queries/code/projects.js";
import { workspacesKey } from "../../../../api/queries/code/workspaces.js";
import { commitMessage } from "../../../code/parts/workspaces/commit-message.js";

interface ValidationDialogProps {
  isOpen: boolean;
  onClose: () => void;
  agentId: string;
}

export function ValidationDialog({
  isOpen,
  onClose,
  agentId,
}: ValidationDialogProps): ReactElement {
  return (
    <Dialog
      isOpen={isOpen}
      onClose={onClose}
      title="Validation commit"
      description="Commits the working directory as a validated iteration."
    >
      <ValidationForm onClose={onClose} agentId={agentId} />
    </Dialog>
  );
}

function ValidationForm({ onClose, agentId }: Omit<ValidationDialogProps, "isOpen">): ReactElement {
  const form = useForm({
    endpoint: api.workspaces.createCommit,
    saved: { iteration: "", message: "" },
    toBody: ({ iteration, message }) => ({
      commit_type: "validation" as const,
      ...(iteration.trim() === "" ? {} : { iteration: Number(iteration) }),
      ...(message.trim() === "" ? {} : { message }),
    }),
    run: (body, headers) =>
      client.workspaces.createCommit({ params: { agent_id: agentId }, body }, { headers }),
    refresh: [workspacesKey, projectsKey],
    successMessage: commitMessage,
    onDone: onClose,
  });
  return (
    <Form label="Validation commit" {...form.props}>
      <TextField
        label="Iteration"
        optional
        inputMode="numeric"
        hint="Leave empty to count up."
        {...form.field("iteration")}
      />
      <TextArea
        label="Message"
        optional
        hint="Leave empty for the agent's name and the iteration."
        {...form.field("message")}
      />
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <SubmitButton>Commit</SubmitButton>
      </DialogActions>
    </Form>
  );
}
