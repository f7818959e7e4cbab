import type { ReactElement } from "react";
import { ShownOnceDialog } from "../../../../ui/overlays/shown-once-dialog.js";

interface SecretDialogProps {
  title: string;
  secret: string;
  onClose: () => void;
}

/** Shows the secret of a webhook, once. */
export function SecretDialog(props: SecretDialogProps): ReactElement {
  return (
    <ShownOnceDialog {...props} noun="secret" copyLabel="Copy secret">
      Your server verifies the signature of each delivery with it, by a library of Standard
      Webhooks.
    </ShownOnceDialog>
  );
}
