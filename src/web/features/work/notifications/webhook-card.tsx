import { type ReactElement, useState } from "react";
import type { PersonalWebhook } from "#shared/api/work/notifications.js";
import { client } from "../../../api/client.js";
import {
  notificationDeliveriesKey,
  notificationSettingsQuery,
} from "../../../api/queries/work/notifications.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { ConfirmButton } from "../../../components/confirmations.js";
import { SecretDialog } from "../../organization/parts/webhooks/secret-dialog.js";
import { WebhookHead } from "../../organization/parts/webhooks/webhook-head.js";
import { Button } from "../../../ui/actions/button.js";
import { notify } from "../../../ui/feedback/toast.js";
import { Card } from "../../../ui/layout/card.js";
import { WebhookDialog } from "./webhook-dialog.js";

const refresh = [notificationSettingsQuery.queryKey, notificationDeliveriesKey];

/** The user's webhook: its state, a test, another address, its end. */
export function WebhookCard({ webhook }: { webhook: PersonalWebhook | null }): ReactElement {
  const [isOpen, setOpen] = useState(false);
  const [secret, setSecret] = useState<string | null>(null);
  return (
    <Card title="Webhook">
      <div className="flex flex-col gap-4">
        <p className="text-muted">
          Your server or chat gets a signed request for each notification, at once.
        </p>
        {webhook && <State webhook={webhook} />}
        <div className="flex flex-wrap gap-2">
          <Button onClick={() => setOpen(true)}>
            {webhook ? "Change address" : "Set webhook"}
          </Button>
          {webhook && <Actions />}
        </div>
      </div>
      {isOpen && (
        <WebhookDialog webhook={webhook} onClose={() => setOpen(false)} onSecret={setSecret} />
      )}
      {secret !== null && (
        <SecretDialog title="Webhook set" secret={secret} onClose={() => setSecret(null)} />
      )}
    </Card>
  );
}

function Actions(): ReactElement {
  const test = useApiMutation({
    run: (_input: undefined, headers) => client.notifications.testWebhook(undefined, { headers }),
    refresh,
    onDone: ({ status, error }) => {
      if (status === "delivered") notify("The test was delivered");
      else notify(error ?? "The test was not delivered.", "bad");
    },
    toastErrors: true,
  });
  return (
    <>
      <Button pending={test.pending} onClick={() => test.submit(undefined)}>
        Send test
      </Button>
      <ConfirmButton
        label="Delete webhook"
        title="Delete your webhook?"
        mutation={{
          run: (_input, headers) => client.notifications.deleteWebhook(undefined, { headers }),
          refresh,
          successMessage: () => "The webhook is deleted",
        }}
      >
        It no longer gets notifications, and its log is deleted.
      </ConfirmButton>
    </>
  );
}

const disabledReasons = {
  gone: "The receiver answered that it is gone (410). Set its address again to enable it.",
  failing: "No delivery succeeded for three days. Set its address again to enable it.",
  backlog: "Too many deliveries were waiting. Set its address again to enable it.",
} as const;

function State({ webhook }: { webhook: PersonalWebhook }): ReactElement {
  const { disabled_reason } = webhook;
  return (
    <div className="flex flex-col gap-1">
      <WebhookHead webhook={webhook} />
      {disabled_reason !== null && (
        <p className="text-[13px] text-bad">{disabledReasons[disabled_reason]}</p>
      )}
    </div>
  );
}
