import { type ReactElement, useState } from "react";
import { Button } from "./button.js";
import { Dialog, DialogActions } from "./dialog.js";
import { TextField } from "./field.js";
import { Form } from "./form.js";

interface TypedConfirmationProps {
  /** Label of the button that opens the dialog; an ellipsis is appended. */
  label: string;
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
  pending: boolean;
  error: Error | null;
  onConfirm: () => void;
  isOpen: boolean;
  onOpenChange: (isOpen: boolean) => void;
}

/**
 * A button with a confirmation dialog for operations that cannot easily be undone; requires typing a
 * word.
 */
export function TypedConfirmation(props: TypedConfirmationProps): ReactElement {
  const { label, reason, title, consequences, isOpen, onOpenChange } = props;
  const close = (): void => onOpenChange(false);
  return (
    <div className="flex flex-col gap-1.5 md:items-end">
      <div>
        <Button variant="danger" disabledReason={reason} onClick={() => onOpenChange(true)}>
          {label}…
        </Button>
      </div>
      {reason !== undefined && <p className="text-[13px] text-muted">{reason}</p>}
      <Dialog
        isOpen={isOpen}
        onClose={close}
        title={title}
        description={
          <ul className="flex list-disc flex-col gap-1 pl-5">
            {consequences.map((consequence) => (
              <li key={consequence}>{consequence}</li>
            ))}
          </ul>
        }
      >
        <ConfirmationForm {...props} onClose={close} />
      </Dialog>
    </div>
  );
}

function ConfirmationForm({
  label,
  word,
  wordName,
  verb,
  pending,
  error,
  onConfirm,
  onClose,
}: TypedConfirmationProps & { onClose: () => void }): ReactElement {
  const [typed, setTyped] = useState("");
  const isConfirmed = typed.trim() === word;
  return (
    <Form
      label={label}
      onSubmit={() => isConfirmed && onConfirm()}
      error={error}
      isShownAtField={false}
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
        <Button
          type="submit"
          variant="danger"
          pending={pending}
          disabledReason={isConfirmed ? undefined : `Type the ${wordName} to confirm.`}
        >
          {verb}
        </Button>
      </DialogActions>
    </Form>
  );
}
