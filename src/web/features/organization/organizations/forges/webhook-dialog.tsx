import type { ReactElement } from "react";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { ShownOnceDialog } from "../../../../ui/overlays/shown-once-dialog.js";
import type { Webhook } from "./forge-dialog.js";

/** Shows what a webhook needs that a person adds, once. */
export function WebhookDialog({
  webhook,
  onClose,
}: {
  webhook: Webhook;
  onClose: () => void;
}): ReactElement {
  return (
    <ShownOnceDialog
      title="Webhook"
      secret={webhook.secret}
      noun="secret"
      copyLabel="Copy secret"
      onClose={onClose}
    >
      Omoi adds the webhook to each repository that you link, if the token may. Else add it
      yourself: content type JSON, all events of issues, pull requests, checks and pushes, this
      secret, and the address <PlainText value={webhook.url} className="[overflow-wrap:anywhere]" />
    </ShownOnceDialog>
  );
}
