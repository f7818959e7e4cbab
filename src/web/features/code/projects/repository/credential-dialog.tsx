import type { ReactElement } from "react";
import { client } from "../../../../api/client.js";
import { api } from "../../../../api/api-calls.js";
import { useForm } from "../../../../forms/use-form.js";
import { Button } from "../../../../ui/actions/button.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import {
  blankCredential,
  CredentialFields,
  credentialOf,
} from "../../parts/projects/credential-fields.js";
import { projectsKey } from "../../../../api/queries/code/projects.js";

interface CredentialDialogProps {
  isOpen: boolean;
  onClose: () => void;
  projectId: string;
  url: string;
  isReplacing: boolean;
}

export function CredentialDialog({
  isOpen,
  onClose,
  projectId,
  url,
  isReplacing,
}: CredentialDialogProps): ReactElement {
  return (
    <Dialog
      isOpen={isOpen}
      onClose={onClose}
      title={isReplacing ? "Replace credential" : "Set credential"}
      description="The credential for access to the upstream repository."
    >
      <CredentialForm projectId={projectId} url={url} onClose={onClose} />
    </Dialog>
  );
}

function CredentialForm({
  projectId,
  url,
  onClose,
}: Pick<CredentialDialogProps, "projectId" | "url" | "onClose">): ReactElement {
  const form = useForm({
    endpoint: api.upstreams.setCredential,
    saved: blankCredential,
    toBody: (values) => credentialOf(url, values),
    run: (body) => client.upstreams.setCredential({ params: { project_id: projectId }, body }),
    alsoShown: ["credential"],
    refresh: [projectsKey],
    successMessage: () => "The credential is stored",
    onDone: onClose,
  });
  return (
    <Form label="Credential" {...form.props}>
      <CredentialFields
        url={url}
        values={form.values}
        onChange={form.set}
        errors={{
          token: form.errorOf("token"),
          username: form.errorOf("username"),
          key: form.errorOf("private_key", "credential"),
        }}
      />
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <SubmitButton>Save credential</SubmitButton>
      </DialogActions>
    </Form>
  );
}
