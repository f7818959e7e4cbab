import { type ReactElement, useState } from "react";
import { useAction } from "../../action.js";
import { checked, client } from "../../api.js";
import { api } from "../../contract.js";
import { Button } from "../../ui/button.js";
import { Dialog, DialogActions } from "../../ui/dialog.js";
import { TextArea, TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { projectsKey } from "../projects/queries.js";
import { workspacesKey } from "./queries.js";
import { sayCommit } from "./say-commit.js";

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
      description="Commits what is in the working directory as one iteration that was validated."
    >
      <ValidationForm onClose={onClose} agentId={agentId} />
    </Dialog>
  );
}

function ValidationForm({ onClose, agentId }: Omit<ValidationDialogProps, "isOpen">): ReactElement {
  const [iteration, setIteration] = useState("");
  const [message, setMessage] = useState("");
  const commit = useAction({
    run: async (body: Parameters<typeof client.workspaces.createCommit>[0]["body"], headers) =>
      client.workspaces.createCommit(
        { params: { agent_id: agentId }, body: await checked(api.workspaces.createCommit, body) },
        { headers },
      ),
    refresh: [workspacesKey, projectsKey],
    say: sayCommit,
    onDone: onClose,
  });
  const errors = {
    iteration: commit.error?.field("iteration"),
    message: commit.error?.field("message"),
  };
  const handleSubmit = (): void => {
    commit.submit({
      commit_type: "validation",
      ...(iteration.trim() === "" ? {} : { iteration: Number(iteration) }),
      ...(message.trim() === "" ? {} : { message }),
    });
  };
  return (
    <Form
      label="Validation commit"
      onSubmit={handleSubmit}
      error={commit.error}
      isShownAtField={Object.values(errors).some(Boolean)}
    >
      <TextField
        label="Iteration"
        name="iteration"
        optional
        inputMode="numeric"
        value={iteration}
        onChange={setIteration}
        error={errors.iteration}
        hint="Counts up by itself where left empty."
      />
      <TextArea
        label="Message"
        name="message"
        optional
        value={message}
        onChange={setMessage}
        error={errors.message}
        hint="Names the agent and the iteration where left empty."
      />
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" variant="primary" pending={commit.pending}>
          Commit
        </Button>
      </DialogActions>
    </Form>
  );
}
