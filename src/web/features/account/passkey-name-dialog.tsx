import { type ReactElement, useState } from "react";
import { useAction } from "../../action.js";
import { checked } from "../../api.js";
import { api } from "../../contract.js";
import { Button } from "../../ui/button.js";
import { Dialog, DialogActions } from "../../ui/dialog.js";
import { TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { passkeysQuery } from "./sign-in-queries.js";

interface PasskeyNameDialogProps {
  title: string;
  description?: string;
  action: string;
  /** What is said when it is done. */
  done: string;
  start?: string;
  run: (name: string) => Promise<{ data: unknown; status: number }>;
  onClose: () => void;
}

/** Asks what a passkey is called. */
export function PasskeyNameDialog(props: PasskeyNameDialogProps): ReactElement {
  const [name, setName] = useState(props.start ?? "");
  const save = useAction({
    run: async () => props.run((await checked(api.passkeys.rename, { name })).name),
    refresh: [passkeysQuery.queryKey],
    say: () => props.done,
    onDone: props.onClose,
  });
  const nameError = save.error?.field("name");
  return (
    <Dialog isOpen onClose={props.onClose} title={props.title} description={props.description}>
      <Form
        label={props.title}
        onSubmit={() => save.submit(undefined)}
        error={save.error}
        isShownAtField={nameError !== undefined}
      >
        <TextField
          label="Name"
          name="name"
          placeholder="My laptop"
          value={name}
          onChange={setName}
          error={nameError}
        />
        <DialogActions>
          <Button onClick={props.onClose}>Cancel</Button>
          <Button type="submit" variant="primary" pending={save.pending}>
            {props.action}
          </Button>
        </DialogActions>
      </Form>
    </Dialog>
  );
}
