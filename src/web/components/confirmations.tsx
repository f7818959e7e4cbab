import { type ComponentProps, type ReactElement, type ReactNode, useState } from "react";
import { type ActionOptions, useApiMutation } from "../api/use-mutation.js";
import { Button } from "../ui/actions/button.js";
import { TextField } from "../ui/fields/field.js";
import { Form, SubmitButton } from "../ui/fields/form.js";
import { ConfirmDialog, Dialog, DialogActions } from "../ui/overlays/dialog.js";

/** State of a dialog that runs a mutation once it is confirmed, and closes when it has succeeded. */
function useConfirmation<Data>(mutation: ActionOptions<undefined, Data>) {
  const [isOpen, setOpen] = useState(false);
  const { submit, pending, error, reset } = useApiMutation({
    ...mutation,
    onDone: (data) => {
      setOpen(false);
      mutation.onDone?.(data);
    },
  });
  return {
    open: () => setOpen(true),
    dialog: {
      isOpen,
      onClose: () => {
        setOpen(false);
        reset();
      },
      pending,
      error,
      onConfirm: () => submit(undefined),
    },
  };
}

interface ConfirmButtonProps<Data> extends Pick<
  ComponentProps<typeof Button>,
  "size" | "disabledReason" | "aria-label"
> {
  label: string;
  mutation: ActionOptions<undefined, Data>;
  /** The question. */
  title: string;
  /** Label of the button that confirms, if it differs. */
  action?: string;
  /** Label of the button that closes the dialog, where "Cancel" would be ambiguous. */
  dismiss?: string;
  /** The consequences. */
  children: ReactNode;
}

/** A button that runs a mutation after confirmation; the dialog shows its error. */
export function ConfirmButton<Data>({
  label,
  mutation,
  title,
  action = label,
  dismiss,
  children,
  ...button
}: ConfirmButtonProps<Data>): ReactElement {
  const { open, dialog } = useConfirmation(mutation);
  return (
    <>
      <Button {...button} onClick={open}>
        {label}
      </Button>
      <ConfirmDialog {...dialog} title={title} action={action} dismiss={dismiss}>
        {children}
      </ConfirmDialog>
    </>
  );
}

interface TypedConfirmButtonProps<Data> {
  /** Label of the button; an ellipsis is appended. */
  label: string;
  mutation: ActionOptions<undefined, Data>;
  /** Why the viewer may not do it. */
  reason: string | undefined;
  title: string;
  /** The consequences, one sentence each. */
  consequences: readonly string[];
  /** The word to type, and its description. */
  word: string;
  wordName: string;
  /** Label of the button that confirms. */
  verb: string;
}

/** A button for operations that cannot easily be undone; its dialog requires typing a word. */
export function TypedConfirmButton<Data>({
  label,
  mutation,
  reason,
  title,
  consequences,
  ...confirmation
}: TypedConfirmButtonProps<Data>): ReactElement {
  const { open, dialog } = useConfirmation(mutation);
  return (
    <div className="flex flex-col gap-1.5 md:items-end">
      <div>
        <Button variant="danger" disabledReason={reason} onClick={open}>
          {label}…
        </Button>
      </div>
      {reason !== undefined && <p className="text-[13px] text-muted">{reason}</p>}
      <Dialog
        isOpen={dialog.isOpen}
        onClose={dialog.onClose}
        title={title}
        description={
          <ul className="flex list-disc flex-col gap-1 pl-5">
            {consequences.map((consequence) => (
              <li key={consequence}>{consequence}</li>
            ))}
          </ul>
        }
      >
        <ConfirmationForm label={label} {...confirmation} {...dialog} />
      </Dialog>
    </div>
  );
}

type ConfirmationFormProps = Pick<
  TypedConfirmButtonProps<unknown>,
  "label" | "word" | "wordName" | "verb"
> &
  ReturnType<typeof useConfirmation>["dialog"];

function ConfirmationForm({
  label,
  word,
  wordName,
  verb,
  pending,
  error,
  onConfirm,
  onClose,
}: ConfirmationFormProps): ReactElement {
  const [typed, setTyped] = useState("");
  const isConfirmed = typed.trim() === word;
  return (
    <Form
      label={label}
      onSubmit={() => isConfirmed && onConfirm()}
      error={error}
      isShownAtField={false}
      pending={pending}
    >
      <TextField
        label={`Type “${word}” to confirm`}
        name="confirmation"
        value={typed}
        onChange={setTyped}
        autoCapitalize="none"
        spellCheck={false}
        className="font-mono text-[13px]"
      />
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <SubmitButton
          variant="danger"
          disabledReason={isConfirmed ? undefined : `Type the ${wordName} to confirm.`}
        >
          {verb}
        </SubmitButton>
      </DialogActions>
    </Form>
  );
}
