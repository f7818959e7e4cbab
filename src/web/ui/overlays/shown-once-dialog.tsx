import type { ReactElement, ReactNode } from "react";
import { Button } from "../actions/button.js";
import { CopyButton } from "../feedback/copy-button.js";
import { Alert } from "../feedback/alert.js";
import { Dialog, DialogActions } from "./dialog.js";
import { SecretText } from "../text/secret-text.js";

interface ShownOnceDialogProps {
  title: string;
  secret: string;
  /** Noun for the secret, as in "Copy the key now". */
  noun: string;
  /** Label of the button that copies it. */
  copyLabel: string;
  /** The use of the secret. */
  children: ReactNode;
  onClose: () => void;
}

/** Shows a new secret, once. */
export function ShownOnceDialog({
  title,
  secret,
  noun,
  copyLabel,
  children,
  onClose,
}: ShownOnceDialogProps): ReactElement {
  return (
    <Dialog isOpen onClose={onClose} title={title}>
      <div className="flex flex-col gap-4">
        <Alert tone="warn" live>
          Copy the {noun} now. It is not shown again.
        </Alert>
        <SecretText data-testid="secret">{secret}</SecretText>
        <p className="text-muted">{children}</p>
        <DialogActions>
          <CopyButton
            label={copyLabel}
            text={secret}
            done={`${noun.charAt(0).toUpperCase()}${noun.slice(1)} copied`}
          />
          <Button variant="primary" onClick={onClose}>
            Done
          </Button>
        </DialogActions>
      </div>
    </Dialog>
  );
}
