import { type ReactElement, useState } from "react";
import { Button } from "../../../ui/actions/button.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { Dialog } from "../../../ui/overlays/dialog.js";
import { clockText, snoozeChoices } from "./snooze-times.js";

interface SnoozeDialogProps {
  isOpen: boolean;
  onClose: () => void;
  onSnooze: (until: Date) => void;
}

/** Asks until when an item is snoozed: one click for the usual times. */
export function SnoozeDialog({ isOpen, onClose, onSnooze }: SnoozeDialogProps): ReactElement {
  return (
    <Dialog
      isOpen={isOpen}
      onClose={onClose}
      title="Snooze until"
      description="It leaves your list, and returns at that time if it still needs you."
    >
      <Choices onSnooze={onSnooze} />
    </Dialog>
  );
}

const maxDays = 90;

/** A time as the field for local times has it. */
function localText(time: Date): string {
  const offset = time.getTimezoneOffset() * 60_000;
  return new Date(time.getTime() - offset).toISOString().slice(0, 16);
}

function Choices({ onSnooze }: Pick<SnoozeDialogProps, "onSnooze">): ReactElement {
  const [now] = useState(() => new Date());
  const [typed, setTyped] = useState("");
  const [error, setError] = useState<Error | null>(null);
  const submit = (): void => {
    const time = new Date(typed);
    const days = (time.getTime() - Date.now()) / 86_400_000;
    if (days > 0 && days <= maxDays) onSnooze(time);
    else setError(new Error(`Enter a time within the next ${maxDays} days`));
  };
  return (
    <div className="flex flex-col gap-5">
      <ul className="grid gap-2 sm:grid-cols-2">
        {snoozeChoices(now).map(({ label, time }, at) => (
          <li key={label}>
            <Button
              {...(at === 0 && { "data-first-focus": "" })}
              className="w-full !justify-between"
              onClick={() => onSnooze(time)}
            >
              {label}
              <span className="font-normal text-muted tabular-nums">{clockText(time, now)}</span>
            </Button>
          </li>
        ))}
      </ul>
      <Form
        label="Another time"
        error={error}
        isShownAtField
        pending={false}
        onSubmit={submit}
        className="border-t border-line pt-4"
      >
        <TextField
          label="Another time"
          type="datetime-local"
          min={localText(now)}
          value={typed}
          error={error?.message}
          onChange={setTyped}
          after={<SubmitButton variant="secondary">Snooze</SubmitButton>}
        />
      </Form>
    </div>
  );
}
