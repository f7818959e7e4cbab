import type { ReactElement } from "react";
import { Button } from "../../../ui/actions/button.js";
import { CopyButton } from "../../../ui/actions/copy-button.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Dialog, DialogActions } from "../../../ui/overlays/dialog.js";

interface ShownKeyDialogProps {
  title: string;
  secret: string;
  onClose: () => void;
}

/** Shows a new key, once. */
export function ShownKeyDialog({ title, secret, onClose }: ShownKeyDialogProps): ReactElement {
  return (
    <Dialog isOpen onClose={onClose} title={title}>
      <div className="flex flex-col gap-4">
        <Alert tone="warn" live>
          Copy the key now. It is not shown again.
        </Alert>
        <code
          data-testid="secret"
          className="rounded-md border border-line bg-sunken px-3 py-2.5 font-mono text-[13px] break-all select-all"
        >
          {secret}
        </code>
        <p className="text-muted">
          Programs send it as <code className="font-mono text-[13px]">Authorization: Bearer</code>.
          The command line reads it from <code className="font-mono text-[13px]">OMOI_TOKEN</code>.
        </p>
        <DialogActions>
          <CopyButton label="Copy Key" text={secret} done="Key copied" />
          <Button variant="primary" onClick={onClose}>
            Done
          </Button>
        </DialogActions>
      </div>
    </Dialog>
  );
}
