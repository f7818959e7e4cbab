import type { ReactElement } from "react";
import type { PersonalWebhook } from "#shared/api/work/notifications.js";
import { api } from "../../../api/api-calls.js";
import { client } from "../../../api/client.js";
import { notificationSettingsQuery } from "../../../api/queries/work/notifications.js";
import { useForm } from "../../../forms/use-form.js";
import { Button } from "../../../ui/actions/button.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { Dialog, DialogActions } from "../../../ui/overlays/dialog.js";

interface WebhookDialogProps {
  webhook: PersonalWebhook | null;
  onClose: () => void;
  onSecret: (secret: string) => void;
}

/** Sets the address of the user's webhook, and hands its secret over to be shown once. */
export function WebhookDialog({ webhook, onClose, onSecret }: WebhookDialogProps): ReactElement {
  const form = useForm({
    endpoint: api.notifications.setWebhook,
    saved: { url: webhook?.url ?? "" },
    toBody: ({ url }) => ({ url: url.trim() }),
    run: (body, headers) => client.notifications.setWebhook({ body }, { headers }),
    refresh: [notificationSettingsQuery.queryKey],
    onDone: ({ secret }) => {
      onClose();
      if (secret !== null) onSecret(secret);
    },
  });
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={webhook ? "Change address" : "Set webhook"}
      description="Notifications are signed by Standard Webhooks, with a new secret that is shown next."
    >
      <Form label="Webhook" {...form.props}>
        <TextField
          label="Address"
          inputMode="url"
          autoComplete="off"
          placeholder="https://example.com/omoi"
          {...form.field("url")}
        />
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <SubmitButton>{webhook ? "Change address" : "Set webhook"}</SubmitButton>
        </DialogActions>
      </Form>
    </Dialog>
  );
}
