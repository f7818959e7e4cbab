import { type ReactElement, useState } from "react";
import { secretNameProblem } from "#shared/secret-name.js";
import { api } from "../../api/api-calls.js";
import { client, clientError } from "../../api/client.js";
import { type SecretOwner, secretsQuery } from "../../api/queries/secrets.js";
import { useForm } from "../../forms/use-form.js";
import { Button } from "../../ui/actions/button.js";
import { Checkbox, TextArea, TextField } from "../../ui/fields/field.js";
import { Form, SubmitButton } from "../../ui/fields/form.js";
import { Dialog, DialogActions } from "../../ui/overlays/dialog.js";

interface SecretDialogProps {
  owner: SecretOwner;
  /** The secret whose value is replaced; null for a new one. */
  name: string | null;
  onClose: () => void;
}

/** Creates a secret or replaces its value. */
export function SecretDialog(props: SecretDialogProps): ReactElement {
  const { name, onClose } = props;
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={name === null ? "New secret" : `Replace ${name}`}
      description="Runs that start from now on get the value as an environment variable."
    >
      <SecretForm {...props} />
    </Dialog>
  );
}

/** Shorter values are not masked in logs. */
const SHORTEST_MASKED = 6;

function SecretForm({ owner, name: existing, onClose }: SecretDialogProps): ReactElement {
  const { orgId, projectId } = owner;
  // A part of the address, not of the body.
  const [entered, setEntered] = useState(existing ?? "");
  const [isShown, setShown] = useState(false);
  const name = entered.trim();
  const problem = secretNameProblem(name);
  const form = useForm({
    endpoint: api.organizationSecrets.set,
    saved: { value: "" },
    toBody: ({ value }) => ({ value, kind: "variable" as const }),
    run: async (body, headers) => {
      if (problem !== null) {
        const errors = [{ loc: ["path", "name"], msg: problem, type: "invalid" }];
        throw clientError(422, `The name ${problem}.`, errors);
      }
      return projectId === null
        ? client.organizationSecrets.set({ params: { org_id: orgId, name }, body }, { headers })
        : client.projectSecrets.set({ params: { project_id: projectId, name }, body }, { headers });
    },
    alsoShown: ["name"],
    refresh: [secretsQuery(owner).queryKey],
    successMessage: () => "The secret is set",
    onDone: onClose,
  });
  const { value } = form.values;
  const isShort = value !== "" && value.trim().length < SHORTEST_MASKED;
  return (
    <Form label="Secret" {...form.props}>
      {existing === null && (
        <TextField
          label="Name"
          name="name"
          value={entered}
          onChange={setEntered}
          className="font-mono text-[13px]"
          placeholder="NPM_TOKEN"
          autoCapitalize="characters"
          spellCheck={false}
          error={name !== "" || form.error !== null ? (problem ?? undefined) : undefined}
          hint="The name of the variable: A-Z, 0-9 and _. An existing secret of this name gets the new value."
        />
      )}
      <TextArea
        label="Value"
        {...form.field("value")}
        rows={4}
        spellCheck={false}
        autoComplete="off"
        autoCapitalize="none"
        isConcealed={!isShown}
        hint={
          isShort
            ? `Values of fewer than ${SHORTEST_MASKED} characters are not masked in logs.`
            : "At most 64 KiB. Stored encrypted, never shown again, masked in the logs of runs."
        }
      />
      <Checkbox label="Show the value" checked={isShown} onChange={setShown} />
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
        <SubmitButton>Save</SubmitButton>
      </DialogActions>
    </Form>
  );
}
