import type { ReactElement } from "react";
import { Button } from "../../ui/actions/button.js";
import { CopyButton } from "../../ui/actions/copy-button.js";
import { Alert } from "../../ui/feedback/alert.js";
import { Dialog, DialogActions } from "../../ui/overlays/dialog.js";

interface SecretDialogProps {
  title: string;
  secret: string;
  onClose: () => void;
}

/** Shows the secret of a webhook, once. */
export function SecretDialog({ title, secret, onClose }: SecretDialogProps): ReactElement {
  return (
    <Dialog isOpen onClose={onClose} title={title}>
      <div className="flex flex-col gap-4">
        <Alert tone="warn" live>
          Copy the secret now. It is not shown again.
        </Alert>
        <code
          data-testid="secret"
          className="rounded-md border border-line bg-sunken px-3 py-2.5 font-mono text-[13px] break-all select-all"
        >
          {secret}
        </code>
        <p className="text-muted">
          Your server verifies the signature of each delivery with it, by a library of Standard
          Webhooks.
        </p>
        <DialogActions>
          <CopyButton label="Copy secret" text={secret} done="Secret copied" />
          <Button variant="primary" onClick={onClose}>
            Done
          </Button>
        </DialogActions>
      </div>
    </Dialog>
  );
}
