import type { ReactElement } from "react";
import { api } from "../../../api/api-calls.js";
import { useForm } from "../../../forms/use-form.js";
import { Button } from "../../../ui/actions/button.js";
import { Dialog, DialogActions } from "../../../ui/overlays/dialog.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { passkeysQuery } from "../../../api/queries/identity/sign-in-queries.js";

interface PasskeyNameDialogProps {
  title: string;
  description?: string;
  action: string;
  /** Toast on success. */
  done: string;
  start?: string;
  run: (name: string) => Promise<{ data: unknown; status: number }>;
  onClose: () => void;
}

/** A dialog that asks for a passkey's name. */
export function PasskeyNameDialog(props: PasskeyNameDialogProps): ReactElement {
  const { title, description, onClose } = props;
  return (
    <Dialog isOpen onClose={onClose} title={title} description={description}>
      <PasskeyNameForm {...props} />
    </Dialog>
  );
}

function PasskeyNameForm(props: PasskeyNameDialogProps): ReactElement {
  const form = useForm({
    endpoint: api.passkeys.rename,
    saved: { name: props.start ?? "" },
    toBody: (values) => values,
    run: ({ name }) => props.run(name),
    refresh: [passkeysQuery.queryKey],
    successMessage: () => props.done,
    onDone: props.onClose,
  });
  return (
    <Form label={props.title} {...form.props}>
      <TextField label="Name" placeholder="My laptop" {...form.field("name")} />
      <DialogActions>
        <Button onClick={props.onClose}>Cancel</Button>
        <SubmitButton>{props.action}</SubmitButton>
      </DialogActions>
    </Form>
  );
}
